// A process with a backend in it, and nothing else that takes memory: `seed.ts` starts it and tells it what to do.
import vm from "node:vm";
import v8 from "node:v8";
import { startBackend } from "../local/server/backend.js";

export type Request =
  | {
      readonly type: "run";
      readonly kind: "query" | "mutation";
      readonly path: string;
      readonly args: object;
    }
  | { readonly type: "usage" }
  | { readonly type: "close" };

/** After all garbage is collected. Sizes are bytes. */
export interface Usage {
  /** Objects and, outside of V8's heap, the bytes in them. */
  readonly heap: number;
  readonly peakRss: number;
  /** CPU time that the process has used so far, ms. */
  readonly cpuMs: number;
}

v8.setFlagsFromString("--expose-gc");
const collectGarbage = vm.runInNewContext("gc") as () => void;

const [, , data = ""] = process.argv;
const start = performance.now();
const backend = await startBackend({ data });
process.send?.({ url: backend.url, ms: performance.now() - start });

process.on("message", (request: Request) => {
  answer(request).then(
    (value) => process.send?.({ value }),
    (error: unknown) => process.send?.({ error: String(error) }),
  );
});

async function answer(request: Request): Promise<unknown> {
  switch (request.type) {
    case "run":
      return backend.run(request.kind, request.path, request.args);
    case "usage": {
      collectGarbage();
      const { heapUsed, arrayBuffers } = process.memoryUsage();
      const { user, system } = process.cpuUsage();
      const usage: Usage = {
        heap: heapUsed + arrayBuffers,
        peakRss: process.resourceUsage().maxRSS * 1024,
        cpuMs: (user + system) / 1_000,
      };
      return usage;
    }
    case "close":
      await backend.close();
      process.exit(0);
  }
}
