//! What each fleet has left, while a run is under way: the raw material of its cells, by which a run is resumed. Gone
//! once the run lacks nothing.

use std::fs::{self, File};
use std::io::{self, BufReader, BufWriter};
use std::path::PathBuf;

use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use revbench_oracle::blocks::Recorded;

use crate::plan::FleetPlan;
use crate::run_dir::{RunDir, RunDirError, io_error, shown};

/// The folder of the records.
pub(crate) const RECORDS: &str = "records";

impl RunDir {
    /// Writes what a fleet has left. From here on it need not run again.
    ///
    /// # Errors
    /// What the file system says.
    pub fn write_record(&self, fleet: &FleetPlan, recorded: &Recorded) -> Result<(), RunDirError> {
        let path = self.record(fleet);
        let unfinished = path.with_extension("unfinished");
        let folder = path.parent().expect("a file in a folder");
        fs::create_dir_all(folder).map_err(io_error(folder))?;
        let file = File::create(&unfinished).map_err(io_error(&unfinished))?;
        let mut packed = BufWriter::new(GzEncoder::new(file, Compression::fast()));
        serde_json::to_writer(&mut packed, recorded)
            .map_err(|source| RunDirError::Format { path: shown(&path), source })?;
        let packed = packed.into_inner().map_err(|error| io_error(&unfinished)(error.into_error()))?;
        packed.finish().map_err(io_error(&unfinished))?;
        fs::rename(&unfinished, &path).map_err(io_error(&path))
    }

    /// Has this fleet run?
    pub fn has_record(&self, fleet: &FleetPlan) -> bool {
        self.record(fleet).is_file()
    }

    /// What a fleet has left.
    ///
    /// # Errors
    /// It has not run, or its record does not parse.
    pub fn read_record(&self, fleet: &FleetPlan) -> Result<Recorded, RunDirError> {
        let path = self.record(fleet);
        let file = File::open(&path).map_err(io_error(&path))?;
        serde_json::from_reader(BufReader::new(GzDecoder::new(file)))
            .map_err(|source| RunDirError::Format { path: shown(&path), source })
    }

    fn record(&self, fleet: &FleetPlan) -> PathBuf {
        self.path().join(RECORDS).join(format!("{}.json.gz", fleet.folder()))
    }

    /// Is this a run that can be resumed by its records?
    ///
    /// # Errors
    /// It was begun by a version that kept none.
    pub(crate) fn check_records(&self) -> Result<(), RunDirError> {
        let folder = self.path().join(RECORDS);
        if folder.is_dir() {
            return Ok(());
        }
        let words = "an older version began this run, which cannot be resumed; `report` still renders it";
        Err(io_error(&folder)(io::Error::new(io::ErrorKind::NotFound, words)))
    }

    /// Removes all records.
    pub(crate) fn remove_records(&self) -> Result<(), RunDirError> {
        let folder = self.path().join(RECORDS);
        if folder.exists() { fs::remove_dir_all(&folder).map_err(io_error(&folder)) } else { Ok(()) }
    }
}
