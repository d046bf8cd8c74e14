import type { Socket } from 'node:net';

/** Type byte, up to four length bytes, topic: what a packet may hold beside its message. */
const HEADER_ALLOWANCE = 1024;

/**
 * Follows the frames of an MQTT byte stream (fixed header, MQTT 3.1.1 §2.2) without copying it. The broker's own
 * parser collects a packet whole before anybody can judge its size, so the length is judged here, where it is said.
 */
class FrameLengths {
  readonly #limit: number;
  /** Bytes of the current packet still to come; 0: at a type byte. */
  #remaining = 0;
  #length = 0;
  #shift = 0;
  #inLength = false;

  constructor(limit: number) {
    this.#limit = limit;
  }

  /** False as soon as a packet is announced that is longer than the limit. */
  accepts(chunk: Buffer): boolean {
    for (let index = 0; index < chunk.length; ) {
      if (this.#remaining > 0) {
        const taken = Math.min(this.#remaining, chunk.length - index);
        this.#remaining -= taken;
        index += taken;
      } else {
        this.#header(chunk[index] ?? 0);
        index += 1;
      }
      if (this.#length > this.#limit) return false;
    }
    return true;
  }

  #header(byte: number): void {
    if (!this.#inLength) {
      this.#inLength = true;
      this.#length = 0;
      this.#shift = 0;
      return;
    }
    this.#length += (byte & 0x7f) << this.#shift;
    this.#shift += 7;
    if ((byte & 0x80) !== 0 && this.#shift < 28) return;
    this.#inLength = false;
    this.#remaining = this.#length;
  }
}

/**
 * Makes the socket die when a packet is announced with more than `maxBytes` of message. It judges what its reader
 * takes out of it, which costs no second stream per connection.
 */
export function limitPacketSize(socket: Socket, maxBytes: number): Socket {
  const frames = new FrameLengths(maxBytes + HEADER_ALLOWANCE);
  const read = socket.read.bind(socket);
  socket.read = (size?: number): unknown => {
    const chunk: unknown = read(size);
    if (!Buffer.isBuffer(chunk) || frames.accepts(chunk)) return chunk;
    socket.destroy(new Error(`packet over ${maxBytes} bytes`));
    return null;
  };
  return socket;
}
