/** As much of Node as the tests need. */
declare module "node:test" {
  export function test(name: string, body: () => void | Promise<void>): void;
}
declare module "node:assert/strict" {
  export function equal<T>(actual: T, expected: T, message?: string): void;
  export function deepEqual(actual: unknown, expected: unknown, message?: string): void;
  export function ok(condition: unknown, message?: string): void;
  export function throws(body: () => unknown, message: RegExp): void;
}
declare module "node:http" {
  export interface IncomingMessage { readonly url: string; readonly headers: Record<string, string | undefined> }
  export interface ServerResponse {
    writeHead(status: number, headers: Record<string, string>): void;
    write(text: string): void;
    end(text?: string): void;
    destroy(): void;
    on(event: "close", heard: () => void): void;
  }
  export interface Server {
    listen(port: number, host: string, ready: () => void): void;
    address(): { port: number };
    close(): void;
    closeAllConnections(): void;
  }
  export function createServer(answer: (request: IncomingMessage, response: ServerResponse) => void): Server;
}
