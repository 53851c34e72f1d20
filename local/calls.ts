import type { CallResult, Engine, FunctionCall, FunctionKind, Usage } from "./engine.js";
import type { Faults } from "./faults.js";
import type { ReadSet } from "./readSet.js";

/** A call that was made, for tests and for the log. */
export interface Call {
  readonly kind: FunctionKind;
  /** `folder/module:name`; that of a component, which only a schedule calls from here, after where it is mounted. */
  readonly path: string;
  readonly ms: number;
  readonly ok: boolean;
  readonly reads: Usage;
  readonly writes: Usage;
  /** Of the client that asked, first of all if several share a query. */
  readonly sessionId?: string;
  readonly error?: string;
}

export interface CallOptions {
  readonly sessionId?: string;
  /** Is filled with what the call reads. */
  readonly reads?: ReadSet;
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
    engine.onScheduledCall(({ read, written, ...call }) =>
      this.#keep({ ...call, ok: call.error === undefined, reads: { ...read }, writes: { ...written } }),
    );
  }

  async make(call: FunctionCall, { sessionId, reads }: CallOptions = {}): Promise<CallResult> {
    const start = performance.now();
    const isRefused = this.#faults.takes("refuse", call.path);
    const result = isRefused ? refusal : await this.#engine.run(call, reads);
    this.#keep({
      kind: call.kind,
      path: call.path,
      ms: performance.now() - start,
      ok: result.ok,
      reads: { ...result.read },
      writes: { ...result.written },
      ...(sessionId === undefined ? {} : { sessionId }),
      ...(result.ok ? {} : { error: result.message || "Server Error" }),
    });
    for (const line of result.logLines) this.#log(`  ${line}`);
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
/** As production words any error without a code: it does not tell what was thrown. */
const refusal: CallResult = {
  ok: false,
  message: "",
  data: undefined,
  logLines: [],
  read: nothing,
  written: nothing,
};
