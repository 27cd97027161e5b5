/** What the page needs of a browser, in Node: import it first. Questions go to a real server, whose answers a test writes. */
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";

const items = new Map<string, string>();
const storage = {
  getItem: (key: string) => items.get(key) ?? null,
  setItem: (key: string, value: string) => { items.set(key, value); },
  removeItem: (key: string) => { items.delete(key); },
};
Object.assign(globalThis, { sessionStorage: storage, localStorage: storage, window: globalThis, document: { hidden: true } });

// A test ends though the page's clock ticks on.
const tick = globalThis.setInterval as unknown as (body: () => void, ms: number) => { unref(): void };
Object.assign(globalThis, { setInterval: (body: () => void, ms: number) => tick(body, ms).unref() });

type Answering = (request: IncomingMessage, response: ServerResponse) => void;

/** Serve answers, and let the page ask for them, until the returned function is called. */
export async function serve(answer: Answering): Promise<() => void> {
  const server: Server = createServer(answer);
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address();
  const ask = globalThis.fetch;
  globalThis.fetch = (path, init) => ask(`http://127.0.0.1:${port}/${String(path)}`, init);
  return () => {
    globalThis.fetch = ask;
    server.close();
    server.closeAllConnections();
  };
}

/** Answer with JSON. */
export function say(response: ServerResponse, body: unknown, status = 200, headers: Record<string, string> = {}): void {
  response.writeHead(status, { "Content-Type": "application/json", ...headers });
  response.end(JSON.stringify(body));
}

/** Wait for a condition, ten seconds at most. */
export async function until(condition: () => boolean, what: string): Promise<void> {
  for (let left = 1000; !condition(); left--) {
    if (!left) throw new Error(`in vain: ${what}`);
    await new Promise((resolve) => { setTimeout(resolve, 10); });
  }
}
