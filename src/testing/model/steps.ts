// What may happen, as plain data: a step means something wherever it stands, so that a failing schedule can be made
// shorter by leaving steps out. The same seed gives the same steps (I-20).
import type { Operation } from "../../shared/operations.js";
import { SeededRandom } from "../random.js";

export const scopes = ["DE", "FR", "IT"] as const;
/** Which scopes each device reads. The last one hardly ever does: it is the one that was offline for long. */
export const deviceScopes: readonly (readonly string[])[] = [["DE"], ["DE", "FR"], ["FR", "IT"], scopes];

/** Two of them are ordered differently by UTF-8, as indexes are, and by UTF-16, as `<` orders. */
export const documents = ["a", "b", "c", "ａ", "😀"];
/** Written by the server in one commit, which is larger than a page. */
export const batchDocuments = Array.from({ length: 7 }, (_, n) => `batch ${n}`);
const all = [...documents, ...batchDocuments];

/** A change of one document as a device or the app's server means it; an insert where it knows of none. */
export interface Change {
  readonly document: string;
  readonly kind:
    | "insert"
    | "name"
    | "note"
    | "count"
    | "tag"
    | "type"
    | "untag"
    | "move"
    | "delete"
    | "replace"
    | "forbidden"
    | "invalid"
    | "closed";
  readonly country: string;
  readonly value: number;
  /** It is made without looking: an insert of what is there, a delete of what is not. */
  readonly isBlind?: true;
}

/** `lost`: made on the device and never sent. `late`: arrives at a later step, and is resent meanwhile. */
export type Fate = "answered" | "unanswered" | "late" | "lost";

export type Step =
  | {
      readonly do: "push";
      readonly device: number;
      readonly transactions: Change[][];
      readonly fate: Fate;
      /** It has just read what there is, as a client that is online. */
      readonly isLive: boolean;
    }
  | { readonly do: "resend"; readonly device: number; readonly which: number }
  | { readonly do: "arrive" }
  /** Goes on under another device's author id, as a restored copy of its database would. */
  | { readonly do: "clone"; readonly device: number; readonly from: number }
  | { readonly do: "write"; readonly changes: Change[] }
  | { readonly do: "batch"; readonly country: string; readonly value: number }
  | { readonly do: "pull"; readonly device: number; readonly scope: number; readonly pages: number }
  | { readonly do: "compact"; readonly documents: string[] }
  | { readonly do: "purge"; readonly document: string }
  | { readonly do: "pass"; readonly days: number }
  | { readonly do: "tidy" }
  | { readonly do: "epoch" }
  | { readonly do: "permit"; readonly scope: string; readonly isReadable: boolean };

/** The steps of a seed. */
export function generateSteps(seed: number): Step[] {
  const random = new SeededRandom(seed);
  // Not everything in every schedule: what hardly ever happens would otherwise undo what is rare.
  const has = { epoch: random.chance(0.25), purge: random.chance(0.5), permit: random.chance(0.4) };
  return Array.from({ length: 25 + random.below(30) }, () => generateStep(random, has));
}

function generateStep(
  random: SeededRandom,
  has: { readonly epoch: boolean; readonly purge: boolean; readonly permit: boolean },
): Step {
  const device = random.below(deviceScopes.length);
  const kind = random.weighted<Step["do"]>([
    [30, "push"],
    [4, "resend"],
    [3, "arrive"],
    [2, "clone"],
    [10, "write"],
    [2, "batch"],
    [16, "pull"],
    [14, "compact"],
    [has.purge ? 4 : 0, "purge"],
    [5, "pass"],
    [5, "tidy"],
    [has.epoch ? 3 : 0, "epoch"],
    [has.permit ? 4 : 0, "permit"],
  ]);
  switch (kind) {
    case "push":
      return {
        do: kind,
        device,
        transactions: generateTransactions(random),
        fate: generateFate(random),
        isLive: device === deviceScopes.length - 1 ? random.chance(0.1) : random.chance(0.6),
      };
    case "resend":
      return { do: kind, device, which: random.below(3) };
    case "clone":
      return { do: kind, device, from: random.below(deviceScopes.length) };
    case "write":
      return { do: kind, changes: repeat(random, 3, () => generateChange(random, random.pick(all))) };
    case "batch":
      return { do: kind, country: random.pick(scopes), value: random.below(100) };
    case "pull": {
      const isOffline = device === deviceScopes.length - 1 && random.chance(0.7);
      return {
        do: kind,
        device: isOffline ? 0 : device,
        scope: random.below(3),
        pages: random.pick([1, 1, 2, 9]),
      };
    }
    case "compact":
      return { do: kind, documents: random.chance(0.2) ? all : repeat(random, 3, () => random.pick(all)) };
    case "purge":
      return { do: kind, document: random.pick(all) };
    case "pass":
      return { do: kind, days: random.pick([1, 20, 32, 32]) };
    case "permit":
      return { do: kind, scope: random.pick(scopes), isReadable: random.chance(0.5) };
    default:
      return { do: kind };
  }
}

/** Of different documents: a push holds at most one update of each. */
function generateTransactions(random: SeededRandom): Change[][] {
  const rest = [...documents, random.pick(batchDocuments)];
  const take = () => rest.splice(random.below(rest.length), 1)[0] as string;
  return repeat(random, 2, () => repeat(random, 2, () => generateChange(random, take())));
}

function generateFate(random: SeededRandom): Fate {
  return random.weighted<Fate>([
    [16, "answered"],
    [2, "unanswered"],
    [1, "late"],
    [1, "lost"],
  ]);
}

function generateChange(random: SeededRandom, document: string): Change {
  const kind = random.weighted<Change["kind"]>([
    [2, "insert"],
    [4, "name"],
    [3, "note"],
    [5, "count"],
    [3, "tag"],
    [8, "type"],
    [2, "untag"],
    [6, "move"],
    [2, "delete"],
    [1, "replace"],
    [0.5, "forbidden"],
    [0.5, "invalid"],
    [0.5, "closed"],
  ]);
  const change = { document, kind, country: random.pick(scopes), value: random.below(100) };
  return random.chance(0.05) ? { ...change, isBlind: true } : change;
}

function repeat<T>(random: SeededRandom, most: number, make: () => T): T[] {
  return Array.from({ length: 1 + random.below(most) }, make);
}

/** What a change comes to on a document as it is known to whoever makes it. */
export function operationsOf(
  { kind, country, value, isBlind }: Change,
  isPresent: boolean,
): readonly Operation[] {
  const insert: Operation = { type: "insert", fields: { name: `site ${value}`, country, status: "open" } };
  if (!isPresent && !isBlind) return [insert, { type: "increment", field: "visits", by: 1 }];
  const set = (field: string, to: string | undefined): Operation[] => [{ type: "set", field, value: to }];
  switch (kind) {
    case "insert":
      return isBlind ? [insert] : set("status", value % 2 ? "open" : "surveyed");
    case "name":
      return set("name", `name ${value}`);
    case "note":
      return set("note", value % 3 ? `note ${value}` : undefined);
    case "count":
      return [{ type: "increment", field: "visits", by: (value % 9) + 1 }];
    case "tag":
      return [{ type: "add", field: "tags", member: `tag ${value % 3}` }];
    case "type":
      return []; // a text is a document of its own
    case "untag":
      return [{ type: "remove", field: "tags", member: `tag ${value % 3}` }];
    case "move":
      return set("country", country);
    case "delete":
      return [{ type: "delete" }];
    case "replace":
      return [{ type: "delete" }, insert];
    case "forbidden":
      return set("name", "forbidden");
    case "invalid":
      return set("status", "lost");
    case "closed":
      return set("country", "LU");
  }
}
