import type { Server } from 'node:http';
import type { AddressInfo } from 'node:net';

/** Where a server listens, as `http://host:port`. */
export function addressOf(server: Server, host: string): string {
  const { port } = server.address() as AddressInfo;
  return `http://${host.includes(':') ? `[${host}]` : host}:${port}`;
}
