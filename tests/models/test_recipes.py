from __future__ import annotations

from models.config import NetworkConfig, TrainingConfig
from models.recipes import RECIPES


def test_a_recipe_stands_under_its_own_name() -> None:
    assert {name: recipe.name for name, recipe in RECIPES.items()} == {name: name for name in RECIPES}


def test_refrains_own_recipe_is_the_defaults() -> None:
    assert RECIPES["refrain"].network == NetworkConfig()
    assert RECIPES["refrain"].training == TrainingConfig()
