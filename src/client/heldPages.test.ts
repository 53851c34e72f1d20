import { describe, expect, test } from "vitest";
import { emptyPublication, joinPublications, type Publication } from "./base/publication.js";
import { HeldPages } from "./heldPages.js";

const [de, fr] = ["sites\0DE", "sites\0FR"];
const row = (id: string, name = "n"): Publication => ({
  ...emptyPublication,
  rows: [{ collection: "sites", id, row: { id, name } }],
});
const done = (transaction: string, ...ids: string[]): Publication => ({
  rows: [],
  covered: ids.map((id) => ({ transaction, collection: "sites", id })),
  transactions: [{ id: transaction, phase: { type: "completed" } }],
});
const failed = (transaction: string, id: string): Publication => ({
  ...done(transaction, id),
  transactions: [{ id: transaction, phase: { type: "failed", failure: { code: "denied", message: "No." } } }],
});
const join = (...all: Publication[]) => all.reduce(joinPublications, emptyPublication);

describe("a page", () => {
  test("that is not the last is shown with the last, and before it", () => {
    const held = new HeldPages();
    expect(held.page(de, row("x", "old"), false)).toEqual(emptyPublication);
    expect(held.page(de, row("x", "new"), true)).toEqual(join(row("x", "old"), row("x", "new")));
    expect(held.keys).toEqual([]);
  });

  test("I-7: shows what another scope holds of its documents before it, and that is held no more", () => {
    const held = new HeldPages();
    held.page(de, join(row("x", "old"), row("y")), false);
    expect(held.page(fr, row("x", "new"), true)).toEqual(join(row("x", "old"), row("x", "new")));
    expect(held.take(de)).toEqual(row("y"));
  });

  test("of a collection is taken by its name, not by another that begins so", () => {
    const held = new HeldPages();
    held.page(de, row("x"), false);
    held.page("sitesToo\0DE", row("y"), false);
    expect(held.takeOf("sites")).toEqual(row("x"));
    expect(held.keys).toEqual(["sitesToo\0DE"]);
  });
});

describe("I-7: what is told beside pages", () => {
  test("waits, if it ends a transaction whose row is held, and is shown after that row", () => {
    const held = new HeldPages();
    held.page(de, row("x"), false);
    const others = done("other", "z");
    expect(held.pass(join(done("own", "x", "y"), others))).toEqual(others);
    expect(held.page(de, row("w"), true)).toEqual(join(row("x"), done("own", "x", "y"), row("w")));
  });

  test("does not wait if the transaction has failed: no row contains it", () => {
    const held = new HeldPages();
    held.page(de, row("x"), false);
    expect(held.pass(failed("own", "x"))).toEqual(failed("own", "x"));
  });

  test("does not wait if it brings a newer row, which shows what is held of it before", () => {
    const held = new HeldPages();
    held.page(de, join(row("x", "old"), row("y")), false);
    const merged = join(row("x", "new"), done("own", "x"));
    expect(held.pass(merged)).toEqual(join(row("x", "old"), merged));
    expect(held.take(de)).toEqual(row("y"));
  });
});
