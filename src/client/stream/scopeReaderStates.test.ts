// Every state of a reader by every event.
import { describe, expect, test } from "vitest";
import { arrivals, events } from "../../testing/setUp/openScopeReader.js";
import type { ScopeState } from "../base/types.js";

type Expected = readonly [state: ScopeState, open: readonly number[], isComplete: boolean, stored: number];
/** [state, cursors of the open questions, isComplete, pages stored] after one event. */
type Row = Record<string, Expected>;

const bootstrapping: Row = {
  "last page": ["live", [9], true, 1],
  "last page, empty": ["live", [9], true, 1],
  "page with more behind": ["bootstrapping", [9], false, 1],
  "empty page with more behind": ["bootstrapping", [9], false, 0],
  denied: ["denied", [0], false, 0],
  reset: ["bootstrapping", [0], false, 0],
  "query error": ["error", [], false, 0],
  "storage error": ["error", [], false, 0],
  disconnect: ["bootstrapping", [0], false, 0],
  stop: ["bootstrapping", [], false, 0],
};
const catchingUp: Row = {
  "last page": ["live", [9], true, 1],
  "last page, empty": ["live", [9], true, 0],
  "page with more behind": ["catchingUp", [9], true, 0],
  "empty page with more behind": ["catchingUp", [9], true, 0],
  reset: ["catchingUp", [0], true, 0],
  "query error": ["error", [], true, 0],
  "storage error": ["error", [], true, 0],
  disconnect: ["catchingUp", [5], true, 0],
  stop: ["catchingUp", [], true, 0],
};
const transitions: Record<string, Row> = {
  bootstrapping,
  "bootstrapping, reopened": {
    "last page": ["live", [9], true, 1],
    "last page, empty": ["live", [9], true, 1],
    "page with more behind": ["bootstrapping", [9], false, 1],
    "empty page with more behind": ["bootstrapping", [9], false, 0],
    reset: ["bootstrapping", [0], false, 0],
    "query error": ["error", [], false, 0],
    "storage error": ["error", [], false, 0],
    disconnect: ["bootstrapping", [5], false, 0],
    stop: ["bootstrapping", [], false, 0],
  },
  catchingUp,
  live: { ...catchingUp, stop: ["live", [], true, 0] },
  "denied at once": {
    ...bootstrapping,
    disconnect: ["denied", [0], false, 0],
    stop: ["denied", [], false, 0],
  },
  // No question is open: what still comes is an answer to the one before.
  error: {
    "last page": ["error", [], true, 0],
    "last page, empty": ["error", [], true, 0],
    "page with more behind": ["error", [], true, 0],
    "empty page with more behind": ["error", [], true, 0],
    denied: ["error", [], true, 0],
    reset: ["error", [], true, 0],
    "query error": ["error", [], true, 0],
    disconnect: ["error", [], true, 0],
    stop: ["error", [], true, 0],
  },
};

describe.each(Object.keys(transitions))("a reader that is %s", (from) => {
  test.each(Object.entries(transitions[from]!))("%s → %j", async (event, expected) => {
    const world = await arrivals[from]!();
    await events[event]!(world);
    const { reader, pages, open } = world;
    expect([reader.state, open(), reader.isComplete, pages.length]).toEqual(expected);
  });
});
