import fc from "fast-check";
import { expect, test } from "vitest";
import { PriorityQueue } from "./priorityQueue.js";

test("whatever is put in and taken out when, the most urgent comes first, and of equals the oldest", () => {
  const step = fc.oneof(fc.integer({ min: 0, max: 3 }), fc.constant("pop" as const));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 200 }), (steps) => {
      const queue = new PriorityQueue<number>();
      const expected: { at: number; priority: number }[] = [];
      steps.forEach((each, at) => {
        if (each === "pop") {
          expected.sort((a, b) => a.priority - b.priority || a.at - b.at);
          expect(queue.pop()).toBe(expected.shift()?.at);
        } else {
          queue.push(at, each);
          expected.push({ at, priority: each });
        }
        expect(queue.size).toBe(expected.length);
      });
    }),
    { seed: 1 },
  );
});
