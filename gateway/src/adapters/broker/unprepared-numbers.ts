import packets from 'mqtt-packet';

/**
 * The broker's library would prepare a buffer for each of the 65,536 numbers of two bytes before it writes its first packet,
 * and keep them: 9 MB, to save what one small allocation costs.
 */
packets.writeToStream.cacheNumbers = false;
