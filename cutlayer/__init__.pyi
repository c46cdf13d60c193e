from .analysis.report.requirement import MissingPackageError as MissingPackageError
from .analysis.results.atomic_files import RunFolderError as RunFolderError
from .analysis.results.run_folder import Run as Run
from .analysis.timeline.windows import NoTimelineError as NoTimelineError
from .api import compare as compare
from .api import load as load
from .api import run as run
from .api import sweep as sweep
from .experiments.checkpoints import CheckpointError as CheckpointError
from .experiments.planning import plan as plan
from .scenarios.errors import ScenarioError as ScenarioError
from .scenarios.plugins import PluginError as PluginError
from .scenarios.registry import register as register
from .sim.schemes.contract.check import check_scheme as check_scheme

__version__: str
