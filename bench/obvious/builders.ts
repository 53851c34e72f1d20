import {
  internalMutationGeneric,
  mutationGeneric,
  queryGeneric,
  type DataModelFromSchemaDefinition,
  type MutationBuilder,
  type QueryBuilder,
} from "convex/server";
import type { schema } from "./schema.js";

type DataModel = DataModelFromSchemaDefinition<typeof schema>;

export const mutation = mutationGeneric as MutationBuilder<DataModel, "public">;
export const internalMutation = internalMutationGeneric as MutationBuilder<DataModel, "internal">;
export const query = queryGeneric as QueryBuilder<DataModel, "public">;
