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
