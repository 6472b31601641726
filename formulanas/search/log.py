"""What a search says of itself: what it is going to do, and a line for each trial."""

from formulanas.formula.published import published_names
from formulanas.progress import Progress, Styled
from formulanas.search.run import RunSettings
from formulanas.search.study.study import Study
from formulanas.store.runs import Run
from formulanas.store.trials import TrialRecord


class SearchLog:
    """Says by `progress` what a search does; what is published, or a point of the space, has its name."""

    def __init__(self, settings: RunSettings, progress: Progress) -> None:
        self.settings, self.progress = settings, progress
        space = settings.space.space
        self.names = published_names() | {space.key(values): name for name, values in space.points.items()}

    def begin(self, run: Run, study: Study, confirm_epochs: int) -> None:
        """What is going to be done, and on what."""
        settings, proxy, asked, say = self.settings, self.settings.proxy, self.settings.space.search, self.progress.line
        blocks = f"{sum(proxy.backbone.depths)} {proxy.backbone.transform} blocks"
        widths = "-".join(map(str, proxy.backbone.widths))
        say(Styled(run.name, "bold"), f"  in {run.folder}, seed {settings.seed}")
        say(f"data      {proxy.dataset}: {proxy.reason}; {100 * proxy.held_out:.0f} % of the training images validate")
        say(
            f"proxy     {proxy.recipe.epochs} epochs, {blocks} {widths} wide; "
            f"the best are confirmed over {confirm_epochs} epochs"
        )
        say(f"search    {settings.trials} trials by {asked.sampler}, {asked.pruner} pruner")
        say(f"first     the points {', '.join(settings.space.points)}")
        if study.num_trained:
            say(f"resumed   {study.num_trained} trials are done, {len(study.under_way)} were under way")

    def trial(self, trial: TrialRecord, study: Study) -> None:
        """How a trial ended; nothing of a duplicate, or of what is no architecture."""
        if trial.duplicate_of is not None or trial.params is None:
            return
        if not trial.is_trained:
            self.progress.line(Styled(f"trial {trial.number}  not trained: {trial.reason}  {trial.formula}", "dim"))
            return
        if trial.state == "PRUNED":
            self.progress.advance(self.settings.proxy.recipe.epochs - len(trial.epochs))
        count = f"{study.num_trained:>3}/{self.settings.trials}"
        value = "" if trial.value is None else f"{100 * trial.value:5.1f} %"
        name = self.names.get(trial.key or "")
        self.progress.line(
            f"trial {trial.number:<3} {count}  {value}  {trial.seconds:4.0f} s  ",
            Styled(f"{name}  " if name else "", "name"),
            trial.formula or "",
            Styled(f"  {trial.reason}" if trial.reason else "", "warning"),
            self.progress.left,
        )
        if (best := study.best) is not None:
            name = self.names.get(best.key, best.formula)
            self.progress.status(f"{count} trials, best {100 * best.value:.1f} %  {name}")
