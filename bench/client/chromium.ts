import type { Row } from "../row.js";
export async function client(): Promise<Row[]> { return []; }
