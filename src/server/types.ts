import type {
  DocumentByName,
  FunctionReference,
  GenericDataModel,
  GenericMutationCtx,
  GenericQueryCtx,
  RegisteredMutation,
  RegisteredQuery,
  TableNamesInDataModel,
} from "convex/server";
import type { ObjectType } from "convex/values";
import type { AnyCollection, DraftOf, InsertOf, PartOf, RowOf } from "../collections/index.js";
import type {
  RestoreVersionArgs,
  RestoreVersionResult,
  SaveVersionArgs,
  SaveVersionResult,
  VersionAtArgs,
  VersionAtResult,
  VersionsArgs,
  VersionsResult,
} from "../shared/historyWire.js";
import type { RowsArgs, RowsResult } from "../shared/rowsWire.js";
import type {
  HeartbeatArgs,
  HeartbeatResult,
  JoinArgs,
  JoinResult,
  LeaveArgs,
  PresenceArgs,
  PresenceResult,
  SetPresenceArgs,
  SetPresenceResult,
} from "../shared/sessionWire.js";
import type {
  MaintainArgs,
  MaintainResult,
  PullArgs,
  PullPartArgs,
  PullPartResult,
  PullResult,
  PushArgs,
  PushResult,
  statusArgs,
  TransactionStatus,
} from "../shared/wire.js";

type Awaitable<T> = T | Promise<T>;

/** What a write does to a document. */
export type RowChange<C extends AnyCollection> =
  | { readonly type: "insert"; readonly before: null; readonly after: RowOf<C> }
  | { readonly type: "update"; readonly before: RowOf<C>; readonly after: RowOf<C> }
  | { readonly type: "delete"; readonly before: RowOf<C>; readonly after: null };

/** A change of a text: it leaves the row as it is, and what it does to the text is not known yet. */
export interface PartChange<C extends AnyCollection> {
  readonly type: "part";
  /** The field. */
  readonly part: PartOf<C>;
  readonly before: RowOf<C>;
  readonly after: RowOf<C>;
}

interface WriteBase {
  readonly user: string | null;
  readonly id: string;
}

/** What a `write` hook decides on. `previousScope` is null for an insert. */
export type WriteRequest<C extends AnyCollection> = WriteBase & {
  readonly scope: string;
  readonly previousScope: string | null;
} & (RowChange<C> | PartChange<C>);

/**
 * What an `onWrite` hook is told. `source`: a client's push, the app's own functions through a writer, or an import,
 * whose effects run in the background, without a user.
 */
export type WriteNotice<C extends AnyCollection> = WriteBase & {
  readonly source: "client" | "server" | "import";
} & (RowChange<C> | PartChange<C>);

/** Tables whose documents can hold the collection's rows. */
type TableFor<DM extends GenericDataModel, C extends AnyCollection> = {
  [T in TableNamesInDataModel<DM>]: RowOf<C> extends Omit<DocumentByName<DM, T>, "_id" | "_creationTime">
    ? T
    : never;
}[TableNamesInDataModel<DM>];

/** What is kept of what documents were. */
export interface HistoryOptions {
  /** For so many days every point in time can be seen and restored; automatic versions are kept as long. */
  readonly keepDays: number;
  /** A version of each document that has changed, every day. Omitted: none. */
  readonly automatic?: "daily" | undefined;
}

/** The second argument of {@link Replicate.collection}. */
export interface CollectionHooks<DM extends GenericDataModel, C extends AnyCollection> {
  /** The app's table, made with `replicaTable`, that holds the rows. Omitted: the app keeps none. */
  readonly table?: TableFor<DM, C>;
  /** Whether `user` may read `scope`. Run for every pull. */
  readonly read: (
    ctx: GenericQueryCtx<DM>,
    args: { readonly user: string | null; readonly scope: string },
  ) => Awaitable<boolean>;
  /** Whether `user` may make this write. It sees rows as the server merged them, never what the sender claims. */
  readonly write: (ctx: GenericMutationCtx<DM>, request: WriteRequest<C>) => Awaitable<boolean>;
  /** Versions and points in time. Omitted: none are kept, and nothing is paid for them. */
  readonly history?: HistoryOptions;
  /** Effects of a write, in its transaction, after all checks. Throwing refuses the write. */
  readonly onWrite?: (ctx: GenericMutationCtx<DM>, notice: WriteNotice<C>) => Awaitable<void>;
}

/** What {@link Replicate} is made with. */
export interface ReplicateOptions<DM extends GenericDataModel> {
  /** Who calls: a stable identifier, or null for an anonymous user. */
  readonly user: (ctx: GenericQueryCtx<DM> | GenericMutationCtx<DM>) => Awaitable<string | null>;
}

// Members name Convex's types directly: an alias of ours would lose the argument types in the generated `api`.
/** What `replicate.api()` returns: export the members from a module of your app. */
export interface ReplicateFunctions {
  push: RegisteredMutation<"public", PushArgs, Promise<PushResult>>;
  pull: RegisteredQuery<"public", PullArgs, Promise<PullResult>>;
  /** Pages of rows, for a page that is rendered on the server. */
  rows: RegisteredQuery<"public", RowsArgs, Promise<RowsResult>>;
  pullPart: RegisteredQuery<"public", PullPartArgs, Promise<PullPartResult>>;
  status: RegisteredQuery<"public", ObjectType<typeof statusArgs>, Promise<TransactionStatus[]>>;
  join: RegisteredMutation<"public", JoinArgs, Promise<JoinResult>>;
  heartbeat: RegisteredMutation<"public", HeartbeatArgs, Promise<HeartbeatResult>>;
  leave: RegisteredMutation<"public", LeaveArgs, Promise<null>>;
  setPresence: RegisteredMutation<"public", SetPresenceArgs, Promise<SetPresenceResult>>;
  presence: RegisteredQuery<"public", PresenceArgs, Promise<PresenceResult>>;
  versions: RegisteredQuery<"public", VersionsArgs, Promise<VersionsResult>>;
  versionAt: RegisteredQuery<"public", VersionAtArgs, Promise<VersionAtResult>>;
  saveVersion: RegisteredMutation<"public", SaveVersionArgs, Promise<SaveVersionResult>>;
  restoreVersion: RegisteredMutation<"public", RestoreVersionArgs, Promise<RestoreVersionResult>>;
  /** Internal: the component calls it back for work in the app's tables. */
  maintain: RegisteredMutation<"internal", MaintainArgs, Promise<MaintainResult>>;
}

/** How {@link Importer.import} is called. */
export interface ImportOptions {
  /** A job that was left open with `more`: these rows are added to it. */
  readonly job?: string;
  /** Further calls add rows to this job: it ends after one without this. */
  readonly more?: boolean;
  /**
   * What `replicate.api()` returned as `maintain`, as in `internal.replicate.maintain`. Needed only where it is exported
   * neither by the module `replicate` nor by the one that calls, before a client has pushed for the first time.
   */
  readonly maintain?: FunctionReference<"mutation", "internal">;
}

/** What a writer can do in an action. */
export interface Importer<C extends AnyCollection> {
  /**
   * Imports any number of rows in the background: see `importJob` for how far it is. A row whose document exists, or
   * that does not fit the definition, is refused alone. `onWrite` runs for each document, with source `import`.
   *
   * From a mutation up to 10,000 rows and 8 MiB; from an action what fits its memory, or more in several calls.
   *
   * @returns the job's id
   * @throws ConvexError `invalid_row` or `too_large` for a row that cannot even be kept, and then nothing is imported;
   * `unknown_document` or `closed` for a job that cannot be added to
   * @example `const job = await replicate.writer(ctx, sites).import(rows);`
   */
  import(rows: readonly InsertOf<C>[], options?: ImportOptions): Promise<string>;
}

/**
 * Writes documents of one collection in the app's own mutation: in its transaction, and on to every client. The
 * app's own code is trusted: `write` is not asked. Rows are checked all the same.
 */
export interface Writer<C extends AnyCollection> extends Importer<C> {
  get(id: string): Promise<RowOf<C> | null>;
  /** @throws ConvexError `exists`, `invalid_row`, `too_large` */
  insert(row: InsertOf<C>): Promise<void>;
  /** @throws ConvexError `unknown_document`, `invalid_row`, `too_large` */
  update(id: string, change: (draft: DraftOf<C>) => void): Promise<void>;
  /** @throws ConvexError `unknown_document` */
  delete(id: string): Promise<void>;
  /** Up to `500` documents, all or none. @throws ConvexError `exists`, `invalid_row`, `too_large` */
  insertMany(rows: readonly InsertOf<C>[]): Promise<void>;
}
