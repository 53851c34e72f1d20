export type { Admin, AdminReader } from "./admin.js";
export type { ExportedDocument, ExportOptions, ExportPage } from "./exportScope.js";
export { vImportJob, type ImportJob } from "../shared/importWire.js";
export { refuse, type RefusalData } from "./refuse.js";
export { Replicate } from "./replicate.js";
export { replicaTable, type ServerFields } from "./replicaTable.js";
export type {
  CollectionHooks,
  HistoryOptions,
  Importer,
  ImportOptions,
  ReplicateFunctions,
  ReplicateOptions,
  RowChange,
  Writer,
  WriteNotice,
  WriteRequest,
} from "./types.js";
