// The model's subject on the local engine: the real server functions over the real component, with the followers, the
// compactions and the other jobs behind them, each when its time has come. Crons do not run: what is done every hour and
// every day is a step.
import { setImmediate } from "node:timers/promises";
import type { PlainRow } from "../../src/collections/index.js";
import { scopes } from "../../src/testing/model/steps.js";
import type { Subject } from "../../src/testing/model/subject.js";
import type { StoredState } from "../../src/testing/simulation/backend.js";
import type { Runtime } from "../engine/engine.js";
import type { LocalEngine } from "../engine/localEngine.js";
import { HeldClock } from "../heldClock.js";
import { serverModules, startServerEngine, valueOf } from "../serverApp/serverEngine.js";

/** @param onBackgroundCall - is told which function was run behind a caller's back */
export async function createLocalSubject(
  seed: number,
  components: Runtime["components"],
  onBackgroundCall: (path: string) => void = () => {},
): Promise<Subject> {
  const clock = new HeldClock();
  const readable = new Set<string>(scopes);
  const { engine, run } = await startServerEngine(
    { clock, seed, limits: { userTime: false } }, // which is measured by a real clock
    components,
    serverModules(() => ({ read: (_ctx, { scope }) => readable.has(scope) })),
  );
  engine.onBackgroundCall(({ path }) => onBackgroundCall(path));
  /** What it sets off runs after it, not beside it. */
  const call = async <T>(kind: "query" | "mutation", path: string, args: object) => {
    const result = await run(kind, path, args);
    await settle(engine, clock);
    return { value: valueOf(result) as T, ts: result.ok ? result.ts : 0n };
  };
  const client = async <T>(kind: "query" | "mutation", name: string, args: object) =>
    (await call<T>(kind, `replicate:${name}`, args)).value;
  const operate = <T>(name: string, args: object) => call<T>("mutation", `operator:${name}`, args);
  const look = async (documents: readonly string[]) => {
    const args = { documents: [...documents] };
    return (await call<{ states: StoredState[]; rows: PlainRow[] }>("query", "operator:look", args)).value;
  };
  return {
    push: (args) => client("mutation", "push", args),
    pull: (args) => client("query", "pull", args),
    pullPart: (args) => client("query", "pullPart", args),
    status: (of, transactions) => client("query", "status", { client: of, transactions }),
    rows: async () => (await look([])).rows,
    states: async (documents) => (await look(documents)).states,
    write: async (changes) => {
      const { ts } = await operate("write", { changes });
      return { author: (await operate<number>("author", {})).value, ts };
    },
    compact: async (documents) =>
      void (await operate("compact", { documents, parts: ["", "log", "log\u00001"] })),
    purge: async (document) => {
      const { value: wasThere, ts } = await operate<boolean>("purge", { document });
      return wasThere ? ts : null;
    },
    tidy: async () => void (await operate("tidy", {})),
    newEpoch: async () => (await operate<string>("newEpoch", {})).value,
    permit: (scope, isReadable) => void (isReadable ? readable.add(scope) : readable.delete(scope)),
    now: () => clock.now(),
    pass: async (ms) => {
      await clock.pass(ms, () => untilAllWait(engine));
      await settle(engine, clock);
    },
  };
}

/**
 * Until nothing is due and nothing runs. Of two jobs that have conflicted one waits for a moment before it is tried
 * again: for as long time goes on, as the clock that stands still would keep it waiting for ever.
 */
async function settle(engine: LocalEngine, clock: HeldClock): Promise<void> {
  let isSettled = false;
  void engine.settled().then(() => (isSettled = true));
  await untilAllWait(engine);
  while (!isSettled) await clock.pass(1, () => untilAllWait(engine));
}

/** Until nothing goes on but by the clock. */
async function untilAllWait(engine: LocalEngine): Promise<void> {
  do await setImmediate();
  while (engine.isBusy);
}
