export { defineCollection, type CollectionOptions } from "./defineCollection.js";
export { recordDraft } from "./draft.js";
export {
  field,
  isPart,
  type CounterField,
  type Field,
  type Fields,
  type RichTextField,
  type SetField,
  type TextField,
} from "./fields.js";
export { insertOperations } from "./insertOperations.js";
export { MigrationError, migrateRegisters, migrateState, migrationOf } from "./migrate.js";
export { projectRow, type PlainRow } from "./projectRow.js";
export { scopeOf } from "./scopeOf.js";
export type {
  AnyCollection,
  CollectionDefinition,
  CounterDraft,
  DraftOf,
  InsertOf,
  OldRow,
  PartOf,
  PatchOf,
  RowOf,
  ScopedOf,
  SetDraft,
} from "./types.js";
export { validateFields } from "./validateRow.js";
export type { FieldFault } from "./values.js";
