import { expect, test } from "vitest";
import { browserSpace } from "./browserSpace.js";

/** A storage manager that keeps data once it was asked to. */
function managerOf(estimate: StorageEstimate) {
  let isPersisted = false;
  const asked: string[] = [];
  return {
    asked,
    estimate: async () => estimate,
    persisted: async () => isPersisted,
    persist: async () => {
      asked.push("persist");
      return (isPersisted = true);
    },
  };
}

test("what the browser tells is told on, and it is asked to keep what it does not keep yet", async () => {
  const manager = managerOf({ usage: 10, quota: 100 });
  const space = browserSpace(manager);
  expect(await space.measure()).toEqual({ usedBytes: 10, quotaBytes: 100, isPersisted: false });
  await space.requestPersistence();
  await space.requestPersistence();
  expect(manager.asked).toEqual(["persist"]);
  expect(await space.measure()).toEqual({ usedBytes: 10, quotaBytes: 100, isPersisted: true });
});

test("nothing is told where the browser tells nothing", async () => {
  expect(await browserSpace(managerOf({})).measure()).toBeNull();
  expect(await browserSpace(undefined).measure()).toBeNull();
  await browserSpace(undefined).requestPersistence();
});
