import { execFile } from "node:child_process";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";
import { mutationGeneric } from "convex/server";
import { v } from "convex/values";
import { expect, test } from "vitest";
import { JumpClock } from "../jumpClock.js";
import { LocalEngine } from "./localEngine.js";
import { seededRandom } from "./random.js";
import { hashOf, tracedRun } from "./tracedRun.js";
import { Turns } from "./turns.js";

const program = fileURLToPath(new URL("tracedRun.ts", import.meta.url));

test("I-20: a seed decides everything: turns, conflicts and retries, ids, times, numbers, jobs", async () => {
  const first = await tracedRun(1);
  const conflicts = first.filter((line) => /^(\d+ next|schedule tests:next) [1-9]/.test(line));
  expect(conflicts.length).toBeGreaterThan(3);
  expect(first.filter((line) => line.startsWith("schedule")).length).toBeGreaterThan(5);
  for (let round = 0; round < 3; round++) expect(await tracedRun(1)).toEqual(first);
  expect(await tracedRun(2)).not.toEqual(first);
});

test("I-20: also in another process, and beside another engine in the same one", async () => {
  const { stdout } = await promisify(execFile)(process.execPath, ["--import", "tsx", program, "3"]);
  expect(stdout.trim()).toBe(hashOf(await tracedRun(3)));
  const [a, b] = await Promise.all([tracedRun(3), tracedRun(3)]);
  expect([hashOf(a!), hashOf(b!)]).toEqual([stdout.trim(), stdout.trim()]);
});

test("I-20: with a seed nobody has a turn while another thread does a function's cryptography, however long that takes", async () => {
  const modules = {
    tests: {
      // The later it begins the sooner it is done.
      digest: mutationGeneric({
        args: { megabytes: v.number() },
        handler: async (ctx, { megabytes }) => {
          await crypto.subtle.digest("SHA-512", new Uint8Array(megabytes * 1_000_000));
          await ctx.db.insert("digests", { megabytes });
        },
      }),
    },
  };
  const committed = async () => {
    const engine = new LocalEngine({ clock: new JumpClock(), seed: 1 });
    await engine.activate({ root: { schema: null, modules }, components: [] });
    const order: unknown[] = [];
    engine.onCommit(({ writes }) => order.push(...writes.map(({ after }) => after?.["megabytes"])));
    const call = { kind: "mutation", path: "tests:digest", identity: null } as const;
    await Promise.all([20, 5, 1, 0].map((megabytes) => engine.run({ ...call, args: { megabytes } })));
    return order;
  };
  const first = await committed();
  expect(first.indexOf(20)).toBeLessThan(3); // what takes longest is not last only for that
  for (let round = 0; round < 5; round++) expect(await committed()).toEqual(first);
});

test.each([null, 4])(
  "one function at a time has its turn, to the end of all that it set off (seed %s)",
  async (seed) => {
    const turns = new Turns(seed === null ? null : seededRandom(seed));
    const log: string[] = [];
    let inside = 0;
    const ended: string[] = [];
    const work = async (name: string) => {
      for (let turn = 0; turn < 100; turn++) {
        await turns.take(() => ended.push(`${name} ${turn}`));
        expect(++inside).toBe(1);
        expect(ended.includes(`${name} ${turn}`)).toBe(false);
        for (let step = 0; step < 5; step++) await Promise.resolve();
        log.push(`${name} ${turn}`);
        inside -= 1;
        await new Promise((resolve) => queueMicrotask(() => resolve(null)));
      }
    };
    await Promise.all(["a", "b", "c"].map(work));
    await new Promise((resolve) => setImmediate(resolve));
    expect(log).toHaveLength(300);
    expect(ended).toEqual(log);
  },
);
