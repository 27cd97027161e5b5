/** A listener as they play: their view after each play, for as long as somebody looks. */
import { useEffect, useState } from "preact/hooks";
import { QueryError, type StreamState, follow } from "../api";
import type { ListenerView } from "../contract";

export interface Following {
  view: ListenerView | null;
  state: StreamState;
  /** When the view came, by the clock here. */
  arrivedMs: number;
  /** Why there is nothing newer, if so. */
  error: QueryError | null;
}

const NOBODY: Following = { view: null, state: "connecting", arrivedMs: 0, error: null };

/** @param reasons whether each track of the lists says why it is there */
export function useListener(user: string, reasons = false): Following {
  const [following, setFollowing] = useState<Following & { user: string }>({ ...NOBODY, user });
  useEffect(() => {
    setFollowing((before) => (before.user === user ? before : { ...NOBODY, user })); // with other reasons, it is the same listener
    if (!user) return undefined;
    return follow("listener/follow", { user_id: user, reasons }, {
      onState: (state, error) => setFollowing((before) => ({ ...before, state, error: error ?? (state === "lost" ? before.error : null) })),
      onEvent({ name, data }) {
        if (name === "listener") setFollowing({ user, view: data as ListenerView, state: "open", arrivedMs: Date.now(), error: null });
        else if (name === "moving" || name === "error") setFollowing((before) => ({ ...before, error: problemOf(name, data) }));
      },
    });
  }, [user, reasons]);
  return following.user === user ? following : NOBODY;
}

function problemOf(name: "moving" | "error", data: unknown): QueryError {
  const said = data as { code?: QueryError["code"]; message?: string } | null;
  const message = said?.message ?? "Their partition is being handed over; their plays wait and are answered in a moment.";
  return new QueryError(said?.code ?? (name === "moving" ? "moving" : "unknown"), message, 503, null);
}
