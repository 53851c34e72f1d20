import { process } from "../host.js";
import { Violation } from "../violation.js";
import { act } from "./act.js";
import type { SimulatedApp } from "./app.js";
import { isEnvironment, type AnyStep, type Script } from "./script.js";
import { inSealedWorld } from "./sealedGlobals.js";
import { settle } from "./settle.js";
import { Timeline } from "./timeline.js";
import { Trace } from "./trace.js";
import { textOf } from "./truth.js";
import { World } from "./world.js";

export interface Run {
  /** A number for all that happened: the same for the same script (I-20). */
  readonly hash: string;
  readonly trace: readonly string[];
  readonly violation: Violation | null;
  /** Steps that were taken, until something went wrong. */
  readonly steps: number;
}

/** Runs a script from beginning to end, in a world of its own. What code under test throws and should not is a violation too. */
export async function runScript<Step extends AnyStep>(
  script: Script<Step>,
  simulated: SimulatedApp<Step>,
): Promise<Run> {
  await simulated.prepare();
  const timeline = new Timeline(simulated.beginsAt(script.seed));
  const trace = new Trace();
  return inSealedWorld(script, timeline, simulated, async () => {
    const unhandled = listenForUnhandled();
    let steps = 0;
    try {
      const { world, app } = await World.create(script, simulated, timeline, trace);
      await timeline.pass(300);
      for (const step of script.steps) {
        trace.add(`${timeline.now()} ${JSON.stringify(step)}`);
        await (isEnvironment(step) ? act(world, step) : app.act(world, step));
        await timeline.rest();
        world.throwIfViolated();
        unhandled.throwIfAny();
        steps += 1;
      }
      await settle(world);
      trace.add(textOf(world.truth.documents.flatMap(({ row }) => row ?? [])));
      unhandled.throwIfAny();
      return { hash: trace.hash, trace: trace.lines, violation: null, steps };
    } catch (error) {
      const violation = error instanceof Violation ? error : unexpected(error);
      trace.add(violation.message);
      return { hash: trace.hash, trace: trace.lines, violation, steps };
    } finally {
      await timeline.calm();
      unhandled.end();
    }
  });
}

/** A promise that nobody waits for and an error that nobody catches are what an app would see of a fault. */
function listenForUnhandled() {
  const errors: unknown[] = [];
  const note = (error: unknown) => void errors.push(error);
  process.on("unhandledRejection", note);
  process.on("uncaughtException", note);
  return {
    throwIfAny: () => {
      if (errors.length > 0) throw unexpected(errors[0]);
    },
    end: () => {
      process.off("unhandledRejection", note);
      process.off("uncaughtException", note);
    },
  };
}

function unexpected(error: unknown): Violation {
  return new Violation("error", error instanceof Error ? (error.stack ?? error.message) : String(error));
}
