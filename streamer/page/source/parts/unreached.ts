/** What nobody knows: the partitions of workers that cannot be reached, until others have taken them over. */
import type { Workers } from "../contract";
import { number, plural } from "../format";

/** Say that what waits in them is not known; null: all owners can be reached. */
export function unreachedWords({ workers, num_partitions }: Workers): string | null {
  const owners = workers.filter(({ is_reachable, partitions }) => !is_reachable && partitions.length > 0);
  const count = owners.reduce((sum, { partitions }) => sum + partitions.length, 0);
  if (count === 0) return null;
  const [belong, their] = count === 1 ? ["belongs", "its"] : ["belong", "their"];
  const to = owners.length === 1 ? "a worker that" : "workers that";
  return `${number(count)} of ${plural(num_partitions, "partition")} ${belong} to ${to} cannot be reached: ${their} plays may wait, and nobody knows how many.`;
}
