// Puts what a transaction changed into words.
import type { Change } from "convex-replicate/client";

type Operation = Change["operations"][number];

const fieldLabels: Record<string, string> = {
  name: "Name",
  country: "Country",
  status: "Status",
  population: "Population",
  lat: "Latitude",
  lon: "Longitude",
  note: "Note",
  visits: "Visits",
  tags: "Tags",
};

/** One short line for each thing that was changed, in order. */
export function describeChange({ operations }: Change): string[] {
  return operations.map(describeOperation);
}

/** The name that a change itself brings, if it does: the site may not be there (any more). */
export function nameInChange({ operations }: Change): string | undefined {
  for (const operation of operations) {
    if (operation.type === "insert" && typeof operation.fields.name === "string")
      return operation.fields.name;
    if (operation.type === "set" && operation.field === "name" && typeof operation.value === "string")
      return operation.value;
  }
  return undefined;
}

function describeOperation(operation: Operation): string {
  switch (operation.type) {
    case "insert":
      return "New site";
    case "delete":
      return "Deleted";
    case "set":
      if (operation.value === undefined) return `${labelOf(operation.field)} removed`;
      return `${labelOf(operation.field)} → ${String(operation.value)}`;
    case "increment":
      return `${labelOf(operation.field)} ${operation.by < 0 ? "−" : "+"}${Math.abs(operation.by)}`;
    case "add":
      return `Tag + ${operation.member}`;
    case "remove":
      return `Tag − ${operation.member}`;
  }
}

function labelOf(field: string): string {
  return fieldLabels[field] ?? field;
}
