// What is taken of the process that runs tests, by the types that are used of it: an app that checks its own types, and this
// source with them, need not have those of Node.

interface Host {
  readonly setImmediate: (run: () => void) => unknown;
  readonly process: {
    readonly env: Record<string, string | undefined>;
    on(event: "unhandledRejection" | "uncaughtException", listener: (error: unknown) => void): unknown;
    off(event: "unhandledRejection" | "uncaughtException", listener: (error: unknown) => void): unknown;
  };
}

/** Real, whatever a test puts in its place later: lets promises go on. */
export const { setImmediate } = globalThis as unknown as Host;

export const { process } = globalThis as unknown as Host;
