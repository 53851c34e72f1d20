import { createHash } from "node:crypto";
import { convexToJson, type Value } from "convex/values";
import { insertDocument, read } from "./databaseSyscalls.js";
import { uuidFrom } from "./environment.js";
import type { TransactionExecution } from "./execution.js";
import type { Host } from "./host.js";
import { storedFiles } from "./systemTables.js";
import type { Syscalls } from "./syscalls.js";
import { inSystemMutation } from "./unit.js";

/** Files are kept beside the database, by the id of their document. They are neither served nor taken over HTTP. */
export const storageSyscalls: Syscalls<TransactionExecution> = {
  "1.0/storageGetUrl": (execution, args, host) => {
    const id = args["storageId"] as string;
    return find(execution, host, id) === null ? null : `${host.files.origin}/api/storage/${id}`;
  },
  "1.0/storageGetMetadata": (execution, args, host) => {
    const id = args["storageId"] as string;
    const file = find(execution, host, id);
    if (file === null) return null;
    const { sha256, size, contentType = null } = file;
    return convexToJson({ storageId: id, sha256: sha256!, size: size!, contentType } as Value);
  },
  "1.0/storageGenerateUploadUrl": ({ random }, _args, { files }) =>
    `${files.origin}/api/storage/upload?token=${uuidFrom(random)}`,
  "1.0/storageDelete": (execution, args, host) => {
    const id = args["storageId"] as string;
    if (find(execution, host, id) === null) throw new Error(`storage id ${id} not found`);
    execution.unit.transaction.write(host.tables.key(execution.path.component, storedFiles), id, null);
    return {};
  },
};

export async function storeBlob(blob: Blob, component: string, host: Host): Promise<string> {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  const sha256 = createHash("sha256").update(bytes).digest("base64");
  const contentType = blob.type === "" ? {} : { contentType: blob.type };
  return inSystemMutation(host, component, (execution) => {
    const id = insertDocument(execution, host, storedFiles, { sha256, size: blob.size, ...contentType });
    host.files.write(id, bytes); // before it is committed: a document without its file would be worse
    return id;
  });
}

/** @returns null if there is none */
export async function readBlob(id: string, component: string, host: Host): Promise<Blob | null> {
  const file = await inSystemMutation(host, component, (execution) => find(execution, host, id));
  const bytes = file === null ? null : host.files.read(id);
  if (file === null || bytes === null) return null;
  return new Blob([bytes], { type: (file["contentType"] as string | undefined) ?? "" });
}

function find(execution: TransactionExecution, host: Host, id: string) {
  if (host.tables.tableOf(execution.path.component, id) !== storedFiles) return null;
  return read(execution, host, storedFiles, id);
}
