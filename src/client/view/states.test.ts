import { describe, expect, test } from "vitest";
import {
  cover,
  entering,
  failing,
  listen,
  openView,
  type OpenView,
  publish,
  site,
} from "../../testing/setUp/openView.js";
import { rename, visit } from "../../testing/setUp/storedRecords.js";
import type { Phase, Publication } from "../base/publication.js";

describe("a state that follows from others", () => {
  test("queued → pending is told to the transaction's own listeners and to everybody's, once", () => {
    const world = openView(site("x", "confirmed"));
    world.receive("a", 1, { x: [visit] });
    const behind = world.receive("b", 2, { x: [visit] });
    const last = world.receive("c", 3, { x: [visit] });
    const states: string[] = [];
    behind.subscribe(() => states.push(behind.state));
    last.subscribe(() => states.push(`last ${last.state}`));
    const heard = listen(world);
    world.view.apply(publish({ covered: [cover("a", "x")], transactions: entering("completed", "a") }));
    expect(states).toEqual(["pending"]);
    expect(heard.at(-1)).toMatch(/^transactions a,b \| /);
  });

  test("I-7: a transaction's listeners see the rows of the same step", () => {
    const world = openView(site("x", "confirmed"));
    const failed = world.receive("a", 1, { x: [rename("mine")] });
    const seen: unknown[] = [];
    failed.subscribe(() => seen.push(failed.state, world.name("x")));
    world.view.apply(publish({ transactions: failing("a") }));
    expect(seen).toEqual(["failed", "confirmed"]);
  });
});

/** A transaction that is heard of, by the documents that it visits (sequence null: made here, not stored yet), or a publication. */
type Step = readonly [id: string, sequence: number | null, ...documents: string[]] | Partial<Publication>;
const a: Step = ["a", 1, "x"];
const b: Step = ["b", 2, "x"];
const entered = (type: Exclude<Phase["type"], "failed">) => ({ transactions: entering(type, "a") });
const failed = { transactions: failing("a") };

function take(steps: readonly Step[]): OpenView {
  const world = openView(site("x", "x"), site("y", "y"));
  for (const step of steps) {
    if (!isHeard(step)) world.view.apply(publish(step));
    else {
      const [id, sequence, ...documents] = step;
      const changes = Object.fromEntries(documents.map((document) => [document, [visit]]));
      if (sequence === null) world.make(id, changes);
      else world.receive(id, sequence, changes);
    }
  }
  return world;
}
const isHeard = (step: Step): step is Extract<Step, readonly unknown[]> => Array.isArray(step);

describe("statusOf", () => {
  test.each<[string, readonly Step[], string]>([
    ["nothing on it", [], "synced"],
    ["one waiting", [a], "pending"],
    ["one not stored yet", [["a", null, "x"]], "pending"],
    ["one applied, not yet come back", [a, entered("persisted_awaiting_sync")], "pending"],
    ["one completed", [a, entered("completed")], "synced"],
    ["one failed", [a, failed], "failed"],
    ["one failed and a later one waiting", [a, failed, b], "failed"],
    ["one on another document", [["a", 1, "y"]], "synced"],
  ])("%s", (_name, steps, status) => {
    const { view } = take(steps);
    expect(view.statusOf("sites", "x")).toBe(status);
    expect(view.statusOf("notes", "x")).toBe("synced");
  });
});

describe("queuedBehind", () => {
  test.each<[string, readonly Step[], Record<string, string>]>([
    ["one alone", [a], { a: "pending" }],
    ["a later one on the document", [a, b], { a: "pending", b: "queued" }],
    ["an earlier one that is heard of later", [b, a], { a: "pending", b: "queued" }],
    ["one on another document", [a, ["b", 2, "y"]], { a: "pending", b: "pending" }],
    ["one that shares one of its documents", [a, ["b", 2, "y", "x"]], { a: "pending", b: "queued" }],
    ["one that is not stored yet, behind one that is", [["b", null, "x"], a], { a: "pending", b: "queued" }],
    [
      "behind one that is applied and has not come back",
      [a, b, entered("persisted_awaiting_sync")],
      { a: "persisted_awaiting_sync", b: "queued" },
    ],
    ["behind one that has failed", [a, b, failed], { a: "failed", b: "pending" }],
    ["behind one that is completed", [a, b, entered("completed")], { b: "pending" }],
  ])("%s", (_name, steps, states) => {
    const { view } = take(steps);
    expect(Object.fromEntries(view.transactions().map(({ id, state }) => [id, state]))).toEqual(states);
  });
});

describe("the user's decision about a failed transaction", () => {
  test("is handed on", () => {
    const { receive, view, decisions } = openView(site("x", "x"));
    const transaction = receive("a", 1, { x: [visit] });
    view.apply(publish({ transactions: failing("a") }));
    transaction.retry();
    transaction.discard();
    expect(decisions).toEqual(["retry a", "discard a"]);
  });

  test.each(["retry", "discard"] as const)("%s of one that has not failed is refused", (action) => {
    const { receive, decisions } = openView(site("x", "x"));
    const transaction = receive("a", 1, { x: [visit] });
    expect(() => transaction[action]()).toThrow(expect.objectContaining({ code: "invalid_row" }));
    expect(decisions).toEqual([]);
  });
});
