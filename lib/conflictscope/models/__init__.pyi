from .asking import Models as Models
from .batches import BatchesPending as BatchesPending
from .registry import Model as Model, Registry as Registry, load_registry as load_registry
from .requests import Message as Message, NonBlank as NonBlank, Reply as Reply, Request as Request
from .spending import BudgetReached as BudgetReached
from .store import CallStore as CallStore
