// What must be equal in the component and the model, each with the invariant that it would break.
import type { Value } from "convex/values";
import type { PlainRow } from "../../collections/index.js";
import { canonicalJson } from "../../shared/canonicalJson.js";
import type { PushArgs } from "../../shared/wire.js";
import { covers, fingerprintOf, isSameState, type Fingerprint } from "./documentState.js";
import type { ModelServer } from "./modelServer.js";
import type { Reader } from "./reader.js";
import type { Subject } from "./subject.js";
import { Violation } from "../violation.js";

interface Sides {
  readonly subject: Subject;
  readonly model: ModelServer;
}

export async function checkRows({ subject, model }: Sides): Promise<void> {
  const [real, expected] = [toJson(await subject.rows()), toJson(model.rows())];
  if (real !== expected)
    throw new Violation("I-9", `the app's rows are\n${real}, and should be\n${expected}`);
}

/** Whatever was compacted, what is stored is what an uncompacted list comes to. */
export async function checkStates({ subject, model }: Sides, documents: readonly string[]): Promise<void> {
  const states = await subject.states(documents);
  for (const [index, document] of documents.entries()) {
    const expected = model.documents.get(document);
    const stored = states[index];
    if ((stored?.scope ?? null) !== (expected?.scope ?? null))
      throw new Violation(
        "I-12",
        `"${document}" is stored in ${stored?.scope}, and stands in ${expected?.scope}`,
      );
    const blobs = (stored?.blobs ?? []).map((blob) => new Uint8Array(blob));
    const [real, wanted] = [fingerprintOf(blobs), fingerprintOf(expected?.updates ?? [])];
    if (!isSameState(real, wanted))
      throw new Violation("I-10", differ(`"${document}" is stored as`, real, wanted));
  }
}

/** What a reader holds that has read all its scopes: exactly their documents, in exactly their states. */
export function checkReader(model: ModelServer, { scopes, held }: Reader): void {
  const readable = scopes.filter((scope) => model.readable.has(scope));
  const expected = new Map(readable.flatMap((scope) => [...model.contentOf(scope)]));
  for (const [document, { scope, updates }] of expected) {
    const own = held.get(document);
    const wanted = fingerprintOf(updates);
    if (own === undefined)
      throw new Violation("I-11", `a reader of ${scopes} lacks "${document}" of ${scope}`);
    const real = fingerprintOf(own.updates);
    if (!covers(real, wanted))
      throw new Violation("I-11", differ(`a reader of ${scopes} has missed of "${document}":`, real, wanted));
    if (!isSameState(real, wanted))
      throw new Violation("I-10", differ(`a reader of ${scopes} holds "${document}" as`, real, wanted));
  }
  for (const [document, { scope }] of held)
    if (!expected.has(document))
      throw new Violation("I-12", `a reader of ${scopes} still holds "${document}" as of ${scope}`);
}

export async function checkStatus(
  { subject, model }: Sides,
  { client, transactions }: PushArgs,
): Promise<void> {
  const ids = transactions.flatMap((transaction) => transaction.ids);
  for (const { id, ...status } of await subject.status(client, ids)) {
    const expected = model.statusOf(client, id);
    const code = "code" in status ? { code: status.code } : {};
    if (toJson({ status: status.status, ...code }) !== toJson({ ...expected }))
      throw new Violation("I-3", `${id} is ${status.status}, and should be ${expected.status}`);
  }
}

function differ(what: string, real: Fingerprint, wanted: Fingerprint): string {
  const show = ({ entries, clocks, hasPending }: Fingerprint) =>
    `${entries} ${JSON.stringify([...clocks])}${hasPending ? " and something pending" : ""}`;
  return `${what}\n${show(real)}, and should be\n${show(wanted)}`;
}

function toJson(value: PlainRow[] | object): string {
  const sorted = Array.isArray(value)
    ? [...(value as PlainRow[])].sort((a, b) => (a.id < b.id ? -1 : a.id > b.id ? 1 : 0))
    : value;
  return canonicalJson(sorted as Value);
}
