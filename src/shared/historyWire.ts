// Versions and points in time on the wire: app functions validate with these, the browser takes its types from them.
import { v, type Infer, type ObjectType } from "convex/values";

/** `named`: by a user; `automatic`: by the server, every day; `restore`: what a restore has replaced. */
export const vVersionKind = v.union(v.literal("named"), v.literal("automatic"), v.literal("restore"));

export const vVersion = v.object({
  version: v.string(),
  kind: vVersionKind,
  label: v.optional(v.string()),
  /** The user who saved it, or restored another one in its place; null: the server, or nobody who was signed in. */
  author: v.union(v.string(), v.null()),
  /** When, in ms since 1970. */
  at: v.number(),
});
export type Version = Infer<typeof vVersion>;

const document = { collection: v.string(), document: v.string() };
const denied = v.object({ type: v.literal("denied") });

export const versionsArgs = {
  ...document,
  /** As the page before gave it; omitted or null: from the newest. */
  cursor: v.optional(v.union(v.number(), v.null())),
  limit: v.optional(v.number()),
};
export type VersionsArgs = ObjectType<typeof versionsArgs>;

/** `denied`: the user may not read the document (any more). */
export const vVersionsResult = v.union(
  v.object({
    type: v.literal("versions"),
    /** Newest first. */
    versions: v.array(vVersion),
    /** Null: there are no more. */
    cursor: v.union(v.number(), v.null()),
  }),
  denied,
);
export type VersionsResult = Infer<typeof vVersionsResult>;

/** Either a version of the list, or a time in ms since 1970: the state at the end of that millisecond. */
const target = { version: v.optional(v.string()), at: v.optional(v.number()) };

export const versionAtArgs = { ...document, ...target };
export type VersionAtArgs = ObjectType<typeof versionAtArgs>;

/** `denied`: the user may not read the document, or not the scope in which it was then. */
export const vVersionAtResult = v.union(
  v.object({
    type: v.literal("version"),
    /** The row as it was; null: there was none. */
    row: v.any(),
    /** Of each of its parts the whole state, as a snapshot blob. */
    parts: v.array(v.object({ part: v.string(), bytes: v.bytes() })),
    /** What the list says of it; absent for a time. */
    version: v.optional(vVersion),
  }),
  denied,
);
export type VersionAtResult = Infer<typeof vVersionAtResult>;

export const saveVersionArgs = { ...document, label: v.string() };
export type SaveVersionArgs = ObjectType<typeof saveVersionArgs>;
export const vSaveVersionResult = v.object({ version: v.string() });
export type SaveVersionResult = Infer<typeof vSaveVersionResult>;

export const restoreVersionArgs = { ...document, ...target };
export type RestoreVersionArgs = ObjectType<typeof restoreVersionArgs>;

/**
 * `replaced`: the version that holds what was there before: restoring that one undoes this; null: the document was
 * deleted. `later`: fields whose text is so large that it follows in the background, within seconds. `unchanged`: it is as
 * it was.
 */
export const vRestoreVersionResult = v.union(
  v.object({
    type: v.literal("restored"),
    replaced: v.union(v.string(), v.null()),
    later: v.optional(v.array(v.string())),
  }),
  v.object({ type: v.literal("unchanged") }),
);
export type RestoreVersionResult = Infer<typeof vRestoreVersionResult>;
