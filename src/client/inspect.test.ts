import { expect, test } from "vitest";
import { createFieldApp, notes, sites } from "../testing/fieldApp.js";
import { TestProfile } from "../testing/testReplica.js";
import { berlin, SitesWorld } from "../testing/testWorld.js";
import type { ReplicaStatus } from "./base/types.js";
import { inspectReplica } from "./inspect.js";
import { View } from "./view/view.js";

test("inspect() says where everything stands, in every tab, without a word of what users wrote unless asked", async () => {
  const world = new SitesWorld(createFieldApp(), { keepsErrors: true });
  const profile = new TestProfile();
  await world.seed(...["x", "y"].map((id) => ({ ...berlin, id, name: "Secret" })));
  const open = () => world.open({ profile, collections: [sites, notes], scopes: ["DE"] });
  const [leader, other] = [open(), open()];
  await world.waitUntil(() => [leader, other].every(({ col }) => col.size === 2));
  await world.waitUntil(leader.isLive);
  const refused = leader.col.update("x", (draft) => void (draft.name = "forbidden"));
  await world.waitUntil(() => refused.state === "failed");
  for (let n = 0; n < 2; n++) leader.client.failNextMutation(new Error("Secret failure"));
  const write = leader.replica.transact(
    () => leader.col.update("y", (draft) => void (draft.name = "Secret plan")),
    { metadata: { why: "Secret reason" } },
  );
  await world.waitUntil(() => write.attempts.length === 1);
  leader.client.disconnect();
  leader.col.update("y", (draft) => draft.visits.increment());

  const [own, others] = [await leader.replica.inspect(), await other.replica.inspect()];
  expect(own).toMatchObject({
    tabs: 2,
    term: 1,
    status: { connection: "disconnected", leader: true, pending: 2, failed: 1, blocked: null },
    scopes: [
      { collection: "sites", scope: "DE", isComplete: true, cursor: { ts: expect.stringMatching(/^\d+$/) } },
    ],
    documents: [
      { collection: "sites", shown: 2, stored: 2 },
      { collection: "notes", shown: 0, stored: 0, bytes: 0 },
    ],
    outbox: [
      { id: refused.id, state: "failed", error: { code: "denied" } },
      { id: write.id, state: "pending", attempts: [{ error: {} }], queuedBehind: [] },
      {
        state: "queued",
        queuedBehind: [write.id],
        changes: [{ id: "y", operations: [{ type: "increment", field: "visits" }] }],
      },
    ],
    groups: [
      {
        transactions: [write.id],
        isAnswered: false,
        updates: [{ document: "y", from: 0, isCovered: false }],
      },
    ],
  });
  expect(own.errors.length).toBeGreaterThan(0);
  expect([others.outbox, others.groups, others.client]).toEqual([own.outbox, own.groups, own.client]);
  expect(JSON.stringify([own, others])).not.toMatch(/Secret|forbidden/);
  const full = JSON.stringify(await leader.replica.inspect({ content: true }));
  for (const words of ["Secret plan", "Secret reason", "Secret failure", "forbidden"])
    expect(full).toContain(words);
  await leader.replica.close();
  await expect(leader.replica.inspect()).rejects.toMatchObject({ code: "closed" });
});

test("an inspection is plain JSON, whatever is authored", () => {
  const group = { sequence: 1, transactions: ["t"], isAnswered: true, ts: 7n, updates: [] };
  const meta = { client: "c", author: 1, term: 1, commit: 1 };
  const stored = { meta, documents: [], outbox: [], groups: [group], scopes: [], screen: [], damage: [] };
  const view = new View([sites], { retry: () => null as never, discard: () => {} });
  const status = { blocked: null, scopes: [] } as unknown as ReplicaStatus;
  const inspection = inspectReplica(
    { at: 1, tab: "a", tabs: 1, stored, status, view, parts: [], errors: [] },
    true,
  );
  expect(JSON.parse(JSON.stringify(inspection))).toEqual(inspection);
});
