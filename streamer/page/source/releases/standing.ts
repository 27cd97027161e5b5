/** The standing of a release: what may be done with it, and what that would mean. */
import type { ListedRelease } from "../contract";

export type Standing = "champion" | "damaged" | "passed" | "refused" | "unjudged";

export function standingOf({ is_champion, fault, judgement }: ListedRelease): Standing {
  if (fault !== null) return "damaged";
  if (is_champion) return "champion";
  if (judgement === null || judgement.passed === null) return "unjudged";
  return judgement.passed ? "passed" : "refused";
}

/** Whether its promotion must be forced: the gate never let it through, and it never answered. */
export function needsForce(release: ListedRelease): boolean {
  const standing = standingOf(release);
  return (standing === "refused" || standing === "unjudged") && release.answered_from === null && release.mark === "";
}

/** The metrics of all releases: those that the gate compares first, in its order, then others. */
export function metricsOf(releases: readonly ListedRelease[]): string[] {
  const known = new Set(releases.flatMap(({ judgement }) => Object.keys(judgement?.figures ?? {})));
  const first = ["HR@20", "MRR@20", "recall@100"].filter((name) => known.has(name));
  return [...first, ...[...known].filter((name) => !first.includes(name)).sort()];
}
