import type { CallResult, Engine, FunctionCall, FunctionKind, Usage } from "./engine.js";
import type { Faults } from "./faults.js";

/** A call that was made, for tests and for the log. */
export interface Call {
  readonly kind: FunctionKind;
  readonly path: string;
  readonly ms: number;
  readonly ok: boolean;
  readonly reads: Usage;
  readonly writes: Usage;
  readonly error?: string;
}

const mostKept = 10_000;

/** Makes calls, counts them, and writes a line for each. */
export class Calls {
  readonly #engine: Engine;
  readonly #faults: Faults;
  readonly #log: (line: string) => void;
  /** Newest last. */
  readonly made: Call[] = [];

  constructor(engine: Engine, faults: Faults, log: (line: string) => void) {
    this.#engine = engine;
    this.#faults = faults;
    this.#log = log;
  }

  async make(call: FunctionCall): Promise<CallResult> {
    const start = performance.now();
    const result = this.#faults.takes("refuse", call.path) ? refusal : await this.#engine.run(call);
    this.#keep({
      kind: call.kind,
      path: call.path,
      ms: performance.now() - start,
      ok: result.ok,
      reads: { ...result.read },
      writes: { ...result.written },
      ...(result.ok ? {} : { error: result.message }),
    });
    const { delayMs } = this.#faults;
    if (delayMs > 0) await new Promise((resolve) => setTimeout(resolve, delayMs));
    return result;
  }

  #keep(call: Call): void {
    this.made.push(call);
    if (this.made.length > mostKept) this.made.shift();
    const usage = ({ rows, bytes }: Usage) => `${rows} rows ${bytes} B`;
    const { kind, path, ms, reads, writes, error } = call;
    const end = error === undefined ? "" : `  failed: ${error.split("\n")[0]}`;
    this.#log(`${kind} ${path}  ${ms.toFixed(1)} ms  read ${usage(reads)}  wrote ${usage(writes)}${end}`);
  }
}

const nothing = { rows: 0, bytes: 0 };
const refusal: CallResult = {
  ok: false,
  message: "Server Error",
  data: undefined,
  logLines: [],
  reads: new Set(),
  read: nothing,
  written: nothing,
};
