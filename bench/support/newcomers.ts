import { connect, type Socket } from 'node:net';
import { LoopWatch } from './loop-watch.js';
import { obey } from './party.js';
import type { Subscription } from './sockets.js';

/**
 * A process of clients that come all at once and stay: they speak just enough of WebSocket to be let in, because a whole client costs as much as
 * the server that is measured, and takes it the processor.
 */
export type NewcomerCommand = {
  readonly type: 'come';
  readonly port: number;
  readonly path: string;
  readonly localAddress: string;
  readonly clients: number;
  /** What each sends in connection_init and then subscribes to; null: a server that only opens. */
  readonly subscription: Omit<NonNullable<Subscription>, 'greets'> | null;
};

export interface NewcomerReport {
  readonly loopP99Ms: number;
  readonly loopMaxMs: number;
}

const begunInATurn = 20;
const headerEnd = Buffer.from('\r\n\r\n');

/** A text frame as a client sends it: masked, with a mask of zeros that changes nothing. */
function frameOf(text: string): Buffer {
  const payload = Buffer.from(text);
  const long = payload.length >= 126;
  const header = Buffer.alloc(long ? 8 : 6);
  header[0] = 0x81;
  header[1] = 0x80 | (long ? 126 : payload.length);
  if (long) header.writeUInt16BE(payload.length, 2);
  return Buffer.concat([header, payload]);
}

/** Where the frame that begins here ends; null: not all of it has come. */
function endOfFrame(bytes: Buffer): number | null {
  if (bytes.length < 2) return null;
  const short = bytes[1]! & 0x7f;
  const header = short < 126 ? 2 : short === 126 ? 4 : 10;
  if (bytes.length < header) return null;
  const length = short < 126 ? short : short === 126 ? bytes.readUInt16BE(2) : Number(bytes.readBigUInt64BE(2));
  return bytes.length < header + length ? null : header + length;
}

/** Resolves when the client has been let in: the socket is open, and the first value of its stream is there. */
function come({ port, path, localAddress, subscription }: NewcomerCommand, at: number): Promise<Socket> {
  const sends: Buffer[] = [];
  if (subscription !== null) {
    const { tokens, query, variables } = subscription;
    const token = tokens?.[at];
    sends.push(frameOf(JSON.stringify({ type: 'connection_init', payload: token === undefined ? {} : { token } })));
    sends.push(frameOf(JSON.stringify({ id: '1', type: 'subscribe', payload: { query, variables } })));
  }
  const socket = connect({ port, host: '127.0.0.1', localAddress });
  socket.setNoDelay(true);
  socket.write(
    `GET ${path} HTTP/1.1\r\nHost: 127.0.0.1:${port}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n` +
      'Sec-WebSocket-Key: MDEyMzQ1Njc4OWFiY2RlZg==\r\nSec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n',
  );
  return new Promise((resolve, reject) => {
    let unread: Buffer = Buffer.alloc(0);
    let isOpen = false;
    /** What has come is answered in turn: the upgrade, then the acknowledgement; then there is nothing left to be sent. */
    const taken = () => {
      const next = sends.shift();
      if (next === undefined) resolve(socket);
      else socket.write(next);
    };
    const failed = (error?: Error) => reject(error ?? new Error('a connection was closed'));
    socket.once('error', failed).once('close', () => failed());
    socket.on('data', (chunk: Buffer) => {
      unread = unread.length === 0 ? chunk : Buffer.concat([unread, chunk]);
      if (!isOpen) {
        const end = unread.indexOf(headerEnd);
        if (end === -1) return;
        if (!unread.subarray(0, 12).equals(Buffer.from('HTTP/1.1 101'))) return failed(new Error('not let in'));
        isOpen = true;
        unread = unread.subarray(end + headerEnd.length);
        taken();
      }
      for (let end = endOfFrame(unread); end !== null; end = endOfFrame(unread)) {
        unread = unread.subarray(end);
        taken();
      }
    });
  });
}

const stayed: Socket[] = [];

obey<NewcomerCommand, NewcomerReport>(async (command) => {
  const loop = new LoopWatch();
  await loop.during(async () => {
    const coming: Promise<Socket>[] = [];
    for (let at = 0; at < command.clients; at += 1) {
      // Beginning so many in one turn of the loop would hold up those that are under way.
      if (at % begunInATurn === 0) await new Promise((resolve) => setImmediate(resolve));
      coming.push(come(command, at));
    }
    stayed.push(...(await Promise.all(coming)));
  });
  const { p99Ms, maxMs } = loop.result(0);
  return { loopP99Ms: p99Ms, loopMaxMs: maxMs };
});
