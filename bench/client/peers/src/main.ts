import { RxDb } from "./rxdb.js";
import type { Place, Subject } from "./subject.js";
import { TanStackDb } from "./tanstack.js";
import { YIndexedDb } from "./yIndexedDb.js";

const create: Readonly<Record<string, () => Subject>> = {
  "rxdb-dexie": () => new RxDb("dexie"),
  "rxdb-memory": () => new RxDb("memory"),
  tanstack: () => new TanStackDb(),
  "y-indexeddb": () => new YIndexedDb(),
};
const [name = ""] = location.hostname.split(".");
const subject = create[name]!();

const fetchRows = async (count: number) =>
  ((await (await fetch("/places.json")).json()) as Place[]).slice(0, count);

Object.assign(window, {
  subject, // keeps it from being collected
  bench: {
    isHeld: () => false,
    firstLoad: async (count: number) => subject.firstLoad(await fetchRows(count)),
    reopen: (count: number) => subject.reopen(count),
    deltas: async (count: number, rounds: number) => subject.deltas?.(await fetchRows(count), rounds),
    write: async (count: number, writes: number) => subject.write?.(await fetchRows(count), writes),
  },
});
