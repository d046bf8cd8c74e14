/**
 * The registry will be the optional meeting place of gateways outside one local network: an HTTPS service that gateways
 * reach outbound, to be found and watched. Nothing of it is written yet; gateways work without it.
 */
export const registryState = 'not written yet';
