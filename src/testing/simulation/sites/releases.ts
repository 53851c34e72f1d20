// The app whose devices are simulated, in three releases: `sites` in as many schema versions. What a document comes to must
// show whether each step has run, once: a name has another mark in each version, as a number has another unit.
import { v } from "convex/values";
import { defineCollection, field, type AnyCollection } from "../../../collections/index.js";
import type { Operation } from "../../../shared/operations.js";
import { notes, sites } from "../../fieldApp.js";
import { Releases } from "../releases.js";

const marks = ["", "²", "²³"] as const;
export const newest = marks.length;

const fieldsV2 = {
  name: v.string(),
  country: v.string(),
  status: v.union(v.literal("open"), v.literal("surveyed")),
  remark: v.optional(v.string()), // was: note
  visits: field.counter(),
  tags: field.set(v.string()),
  log: field.text(),
  report: field.richText(),
};
const toV2 = (old: Readonly<Record<string, unknown>>) => ({
  name: `${old["name"] as string}²`,
  remark: old["note"] as string | undefined,
});

const sitesV2 = defineCollection("sites", {
  fields: fieldsV2,
  defaults: { status: "open" },
  scope: (row) => row.country,
  schemaVersion: 2,
  migrate: { 2: toV2 },
});

const sitesV3 = defineCollection("sites", {
  fields: { ...fieldsV2, grade: v.number() },
  defaults: { status: "open", grade: 1 },
  scope: (row) => row.country,
  schemaVersion: 3,
  migrate: { 2: toV2, 3: (old) => ({ name: `${old["name"] as string}³` }) },
});

const definitions: readonly AnyCollection[] = [sites, sitesV2, sitesV3];

export const releases = new Releases(definitions.map((definition) => [definition, notes]));

/** Handed out as the first one, which the app's code of all of them is written for: see {@link inVersion}. */
export function sitesOf(version: number): typeof sites {
  return definitions[version - 1] as unknown as typeof sites;
}

/** A name as the app of a version has it. */
export function nameIn(version: number, name: string): string {
  return `${name}${marks[version - 1]}`;
}

/** What it was called in version 1. */
export function plainName(name: string): string {
  return name.replace(/[²³]+$/, "");
}

/** Whether a name is as a version has it, or a later one. */
export function isNameOf(version: number, name: string): boolean {
  return marks.slice(version - 1).some((mark) => name === `${plainName(name)}${mark}`);
}

/** A field of version 1 as a version calls it. */
export function fieldIn(version: number, name: string): string {
  return name === "note" && version > 1 ? "remark" : name;
}

/** An operation as the app of a version makes it where that of version 1 makes this one. */
export function inVersion(version: number, operation: Operation): Operation {
  if (operation.type === "insert") {
    const name = nameIn(version, operation.fields["name"] as string);
    return { ...operation, fields: { ...operation.fields, name } };
  }
  if (operation.type !== "set") return operation;
  const { value } = operation;
  if (operation.field !== "name") return { ...operation, field: fieldIn(version, operation.field) };
  return { ...operation, value: nameIn(version, value as string) };
}

/** An operation of any version as version 1 would have made it. */
export function plainOperation(operation: Operation): Operation {
  if (operation.type === "insert") {
    const name = plainName(operation.fields["name"] as string);
    return { ...operation, fields: { ...operation.fields, name } };
  }
  if (operation.type !== "set") return operation;
  if (operation.field === "remark") return { ...operation, field: "note" };
  return operation.field === "name"
    ? { ...operation, value: plainName(operation.value as string) }
    : operation;
}
