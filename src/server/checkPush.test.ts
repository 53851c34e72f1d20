import { beforeEach, expect, test } from "vitest";
import type { PushArgs } from "../shared/wire.js";
import { PushDevice, refusalOf } from "../testing/pushDevice.js";
import { createServerApp, type ServerApp } from "../testing/serverApp.js";

let app: ServerApp;
let device: PushDevice;
/** `x` is there, and the device knows it. */
beforeEach(async () => {
  app = createServerApp();
  device = await PushDevice.holding(app, "x");
});

let made = 0;
const honest = () => device.set("x", "name", `B${made++}`);
const many = <T>(length: number, make: (index: number) => T) =>
  Array.from({ length }, (_, index) => make(index));
const inserts = (count: number) => many(count, (index) => device.insert(`m${made++}-${index}`));
const pushes: [string, string, () => PushArgs][] = [
  ["10,000 operations", "too_large", () => device.toArgs([device.transaction(many(10_000, honest))])],
  ["501 operations", "too_large", () => device.toArgs(many(5, () => device.transaction(inserts(101))))],
  ["129 operations in a transaction", "too_large", () => device.toArgs([device.transaction(inserts(129))])],
  [
    "101 transactions",
    "too_large",
    () => device.toArgs(inserts(101).map((each) => device.transaction([each]))),
  ],
  [
    "1,001 local transactions",
    "too_large",
    () =>
      device.toArgs([
        device.transaction(
          [honest()],
          many(1001, (index) => `t${index}`),
        ),
      ]),
  ],
  [
    "more than 1 MiB in two transactions",
    "too_large",
    () =>
      device.toArgs(
        ["x", "y"].map((id) =>
          device.transaction([{ ...honest(), document: id, bytes: new ArrayBuffer(600_000) }]),
        ),
      ),
  ],
  [
    "more than 4 MiB in one transaction",
    "too_large",
    () => device.toArgs([device.transaction([{ ...honest(), bytes: new ArrayBuffer(5_000_000) }])]),
  ],
  [
    "1,001 epochs",
    "too_large",
    () => device.toArgs([], { epochs: Object.fromEntries(many(1001, (index) => [`c${index}`, "0"])) }),
  ],
  [
    "101 authors",
    "too_large",
    () =>
      device.toArgs([device.transaction(many(101, (n) => new PushDevice(app, 1000 + n).insert(`m${n}`)))]),
  ],
  [
    "two updates of one document",
    "invalid_update",
    () => device.toArgs([device.transaction([honest(), honest()])]),
  ],
  [
    "two updates of one document in two transactions",
    "invalid_update",
    () => device.toArgs([device.transaction([honest()]), device.transaction([honest()])]),
  ],
  [
    "one transaction id twice",
    "invalid_update",
    () => device.toArgs(inserts(2).map((each) => device.transaction([each], ["t"]))),
  ],
  [
    "a transaction without an id",
    "invalid_update",
    () => device.toArgs([device.transaction([honest()], [])]),
  ],
  ["an oversized client id", "invalid_update", () => device.toArgs([], { client: "c".repeat(257) })],
  ["a client id with NUL", "invalid_update", () => device.toArgs([], { client: "\0server 0 sites" })],
  ["an empty client id", "invalid_update", () => device.toArgs([], { client: "" })],
  [
    "an oversized transaction id",
    "invalid_update",
    () => device.toArgs([device.transaction([honest()], ["t".repeat(257)])]),
  ],
  ...["d".repeat(257), "", "a\0b", "\uffff", "\ud800"].map((document): [string, string, () => PushArgs] => [
    `the document id ${JSON.stringify(document.slice(0, 9))}`,
    "invalid_update",
    () => device.toArgs([device.transaction([{ ...honest(), document }])]),
  ]),
  [
    "a sequence that is no count",
    "invalid_update",
    () => device.toArgs([{ ...device.transaction([honest()]), sequence: NaN }]),
  ],
  ["a settledBelow that is no count", "invalid_update", () => device.toArgs([], { settledBelow: -1 })],
];
test.each(pushes)(
  "I-16: a push with %s is refused whole as %s, and changes nothing",
  async (_name, code, make) => {
    const args = make();
    const before = await app.everything();
    expect(await refusalOf(app.t.mutation(app.api.push, args))).toMatchObject({ code, message: /.{10}/ });
    expect(await app.everything()).toEqual(before);
  },
);

test("I-16: a limit that is broken is named, with the value", async () => {
  const { message } = await refusalOf(device.send(...inserts(101)));
  expect(message).toBe("There may be 100 transactions in a push at most; these are 101.");
});

test("I-16: status answers at most 1,000 ids a call", async () => {
  const transactions = many(1001, (index) => `t${index}`);
  const call = app.t.query(app.api.status, { client: "client11", transactions });
  expect(await refusalOf(call)).toMatchObject({ code: "too_large" });
});
