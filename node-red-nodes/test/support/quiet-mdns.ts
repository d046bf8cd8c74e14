/** An interface that is not there: tests ask nobody on the network which units there are. */
export const NOWHERE = 'no-such-interface';

process.env.APIS_MDNS_INTERFACE = NOWHERE;
