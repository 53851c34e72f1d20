// A process for tests, to be killed: opens the folder that it is given, appends numbered commits for ever, compacts
// often, and prints the number of each commit once it is flushed.
import { writeSync } from "node:fs";
import { DataDirectory } from "./dataDirectory.js";
import { commitsOfState, newestIn, noteCommit, recoverState, apply } from "./history.js";

const [, , folder = "", fsync = "always"] = process.argv;
const data = await DataDirectory.open(folder, {
  fsync: fsync === "never" ? "never" : "always",
  compactAboveBytes: 20_000,
});
const { state } = await recoverState(data);
for (let n = newestIn(state) + 1; ; n += 1) {
  for (const last = n + (n % 4); n <= last; n += 1) {
    const commit = noteCommit(n);
    apply(state, commit);
    data.append(commit);
  }
  n -= 1;
  if (data.shouldCompact) void data.compact(BigInt(n), commitsOfState(new Map(state)));
  await data.flushed();
  writeSync(1, `${n}\n`);
}
