"""The module ``webrtcvad`` comes from webrtcvad-wheels here; PyInstaller's own hook asks for the other name."""

from PyInstaller.utils.hooks import copy_metadata

datas = copy_metadata("webrtcvad-wheels")
