"""The release that answers a replay, trained on the recording's own training part."""

from models.plays.split import Split
from models.recipes import Recipe
from models.release_files import DataWindow
from models.training.context import FitContext
from models.training.recipe_fitting import fit_recipe
from models.training.shards import training_shard
from streamer.errors import ReleaseError
from streamer.releases.loading import notice_of, save_under
from streamer.releases.store import Store
from streamer.runtime.device import pick_device
from streamer.training.mapping import map_if_possible
from streamer.training.progress import report_progress
from streamer.wire.messages import ReleaseNotice


def train_release(split: Split, recipe: Recipe, *, releases_url: str, device_name: str) -> ReleaseNotice:
    """Fit a recipe on the training part and save the release.

    Args:
        split: the recording.
        recipe: what is fitted.
        releases_url: where the release goes.
        device_name: auto, cpu or cuda.

    Raises:
        ReleaseError: there is nothing to learn from.
    """
    shard = training_shard(split)
    device = pick_device(device_name)
    try:
        with report_progress(lambda _: False) as report:
            context = FitContext(device, report)
            recommender = fit_recipe(recipe, [shard], split.catalogue, context=context)
            track_map = map_if_possible(recommender, [shard], None, report)
    except ValueError as exc:
        raise ReleaseError(f"no release can be trained: {exc}") from exc
    saved = save_under(
        Store(releases_url),
        recommender,
        training=recipe.training,
        metrics={},
        data_window=DataWindow.of(shard.histories),
        track_map=track_map,
    )
    return notice_of(saved)
