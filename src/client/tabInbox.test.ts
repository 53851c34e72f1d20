import { expect, test } from "vitest";
import { emptyPublication } from "./base/publication.js";
import { noStatus, type TabMessage } from "./base/tabMessages.js";
import type { Leadership } from "./leadership.js";
import { TabInbox } from "./tabInbox.js";
import type { View } from "./view/view.js";

/** An inbox, and what it has passed on. */
function setUp() {
  const taken: string[] = [];
  const inbox = new TabInbox({
    view: () => ({}) as View,
    leadership: () => ({}) as Leadership,
    show: ({ rows }) => taken.push(...rows.map(({ id }) => id)),
    takeStatus: ({ lastSyncAt }) => taken.push(`status ${lastSyncAt}`),
    takePart: ({ place }) => taken.push(`part ${place.id}`),
    hearLeader: () => {},
    reload: () => taken.push("reload"),
    answerWants: () => {},
    beat: () => {},
    isOwn: () => true,
    onVersions: () => {},
    onCleared: () => {},
  });
  return { inbox, taken };
}
const told = (id: string, term: number, commit: number | null): TabMessage => {
  const publication = { ...emptyPublication, rows: [{ collection: "sites", id, row: null }] };
  return { type: "publication", publication, commit, term, versions: {} };
};
const read = (term: number, commit: number) => ({ client: "c", author: 1, term, commit });

test("what was told while the database was being read is taken if the reading does not cover it", () => {
  const { inbox, taken } = setUp();
  for (const commit of [1, 2, 3]) inbox.receive(told(`x${commit}`, 1, commit));
  inbox.release(read(1, 2));
  inbox.receive(told("x4", 1, 4));
  expect(taken).toEqual(["x3", "x4"]);
});

test("I-6, I-7: what a leader tells after its successor's database was read is not shown, stored or not", () => {
  const { inbox, taken } = setUp();
  inbox.release(read(1, 2));
  inbox.receive({ type: "leader" });
  inbox.hold();
  inbox.receive(told("late", 1, null));
  inbox.release(read(2, 5));
  inbox.receive(told("later", 1, null));
  inbox.receive({ type: "status", status: { ...noStatus, lastSyncAt: 1 }, term: 1 });
  inbox.receive(told("new", 2, null));
  inbox.receive({ type: "status", status: { ...noStatus, lastSyncAt: 2 }, term: 2 });
  expect(taken).toEqual(["reload", "new", "status 2"]);
  expect([inbox.isOver(1), inbox.isOver(2)]).toEqual([true, false]);
});

test("what a newer tab tells and this one has no case for is passed over", () => {
  const { inbox, taken } = setUp();
  const told = { type: "ofTheNextRelease", tab: "b" } as unknown as TabMessage;
  inbox.receive(told);
  inbox.release(read(1, 2));
  inbox.receive(told);
  expect(taken).toEqual([]);
});
