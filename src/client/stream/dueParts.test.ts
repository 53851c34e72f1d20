import { expect, test } from "vitest";
import { keyOf } from "../core/keys.js";
import { DueParts } from "./dueParts.js";

const place = (id: string, part = "log") => ({ collection: "sites", id, part });
const namesOf = (due: DueParts, ...visible: string[]) => [
  ...new Set(
    [...due.inOrder(visible.map((id) => keyOf("sites", id)))].map(({ id, part }) => `${id} ${part}`),
  ),
];

function setUp(): DueParts {
  const due = new DueParts();
  for (const id of ["a", "b", "c"]) due.add(place(id));
  due.add(place("a", "report"));
  return due;
}

test("what is on a screen is first, in its order, then what has been due for longest", () => {
  expect(namesOf(setUp())).toEqual(["a log", "a report", "b log", "c log"]);
  expect(namesOf(setUp(), "c", "b", "nowhere")).toEqual(["c log", "b log", "a log", "a report"]);
});

test("what has failed is last, also if it is on a screen, and what has failed again behind that", () => {
  const due = setUp();
  due.noteFailed(place("a"));
  due.noteFailed(place("b"));
  expect(namesOf(due, "a")).toEqual(["a report", "c log", "a log", "b log"]);
  due.noteFailed(place("a"));
  expect(namesOf(due, "a")).toEqual(["a report", "c log", "b log", "a log"]);
});

test("what is read is due no more, and what becomes due again has not failed", () => {
  const due = setUp();
  due.noteFailed(place("a"));
  due.remove(place("a"));
  expect([due.has(place("a")), due.has(place("a", "report"))]).toEqual([false, true]);
  due.add(place("a"));
  expect(namesOf(due)).toEqual(["a report", "a log", "b log", "c log"]);
});

test("a document that goes takes all that was due of it along, failed or not", () => {
  const due = setUp();
  due.noteFailed(place("a"));
  due.removeDocument({ collection: "sites", id: "a" });
  due.noteFailed(place("a"));
  expect(namesOf(due, "a")).toEqual(["b log", "c log"]);
  due.clear();
  expect(namesOf(due)).toEqual([]);
});
