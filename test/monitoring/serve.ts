/** An HTTP server on a port of the kernel's choice. */
import { createServer } from "node:http";
import type { IncomingMessage, ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";

export interface Served extends AsyncDisposable {
  readonly url: string;
}

type Answer = (request: IncomingMessage, response: ServerResponse) => Promise<void>;

export async function serve(answer: Answer): Promise<Served> {
  const server = createServer((request, response) => {
    answer(request, response).catch((failure: unknown) => { response.writeHead(500).end(String(failure)); });
  });
  await new Promise<void>((resolve) => { server.listen(0, "127.0.0.1", resolve); });
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    [Symbol.asyncDispose]: () => new Promise((resolve) => {
      server.close(() => { resolve(); });
      server.closeAllConnections();
    }),
  };
}
