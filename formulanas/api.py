"""The public functions in one place, for notebooks and scripts: `from formulanas.api import bind, paths, search`."""

from formulanas.analysis.growth import growth
from formulanas.analysis.paths import paths
from formulanas.architecture.architecture import Architecture
from formulanas.architecture.backbone import Backbone
from formulanas.architecture.backbones import backbone
from formulanas.formula.bind import bind
from formulanas.formula.latex import render_latex
from formulanas.formula.parse import parse
from formulanas.formula.published import bind_formula
from formulanas.formula.render import render
from formulanas.network.network import build
from formulanas.network.weights import copy_weights
from formulanas.retrain import retrain
from formulanas.search.executors.choice import Workers
from formulanas.search.search import SearchOptions, search

__all__ = [
    "Architecture",
    "Backbone",
    "SearchOptions",
    "Workers",
    "backbone",
    "bind",
    "bind_formula",
    "build",
    "copy_weights",
    "growth",
    "parse",
    "paths",
    "render",
    "render_latex",
    "retrain",
    "search",
]
