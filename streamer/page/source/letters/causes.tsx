/** The causes of dead letters, as bars that filter. */
import { inWords, number } from "../format";

interface Props {
  readonly causes: Readonly<Record<string, number>>;
  readonly only: string | null;
  readonly onPick: (cause: string | null) => void;
}

export function Causes({ causes, only, onPick }: Props) {
  const counted = Object.entries(causes).sort(([, a], [, b]) => b - a);
  const most = Math.max(...counted.map(([, count]) => count), 1);
  return (
    <div class="causes" role="group" aria-label="Show only the letters of a cause">
      {counted.map(([cause, count]) => (
        <button key={cause} type="button" class="cause" aria-pressed={only === cause} onClick={() => onPick(only === cause ? null : cause)}>
          <span class="name">{inWords(cause)}</span>
          <svg width="100%" height="10" aria-hidden="true"><rect width={`${(100 * count) / most}%`} height="10" rx="2" /></svg>
          <b>{number(count)}</b>
        </button>
      ))}
    </div>
  );
}
