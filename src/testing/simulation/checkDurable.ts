import { Violation } from "../violation.js";
import type { Device } from "./device.js";
import type { Tab } from "./tab.js";

/** I-1: `durable` is told of what is on the disk, and of nothing else. */
export function checkDurable(device: Device, tab: Tab): void {
  for (const { transaction, isDurable } of tab.made)
    if (isDurable && transaction.changes.length > 0 && !device.stored.has(transaction.id))
      throw new Violation("I-1", `"${transaction.id}" is said to be durable, and is not stored`);
}
