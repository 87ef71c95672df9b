//! What the command line does with tapes on disk: joins `tape`'s tools to the reports of `control`.

use super::import;
use crate::config::Config;
use crate::control::{
    ExportReport, FindingReport, ImportReport, ImportRequest, OnProgress, TapeFileReport, TapeTools,
    ToolError, VerifyReport,
};
use crate::tape::{self, Finding, TapeFile, TapeReader};
use std::io::Write;
use std::path::Path;
use std::time::Instant;

/// Looks into tape directories and makes new tapes.
pub struct DiskTools {
    config: Option<Config>,
}

impl DiskTools {
    /// With the configuration, which only an import needs.
    pub fn new(config: Option<Config>) -> DiskTools {
        DiskTools { config }
    }
}

impl TapeTools for DiskTools {
    fn verify(&self, directory: &Path, progress: OnProgress<'_>) -> Result<VerifyReport, ToolError> {
        let begun = Instant::now();
        let found = tape::verify(directory, progress)?;
        Ok(VerifyReport {
            sound: found.is_sound(),
            directory: directory.display().to_string(),
            uuid: found.uuid.to_string(),
            generation: found.generation,
            records: found.records,
            filemarks: found.filemarks,
            record_bytes: found.record_bytes,
            checked_bytes: found.checked_bytes,
            elapsed_seconds: begun.elapsed().as_secs_f64(),
            findings: found.findings.iter().map(finding).collect(),
            findings_omitted: found.findings_omitted,
            barcode: found.barcode,
        })
    }

    fn files(&self, directory: &Path, progress: OnProgress<'_>) -> Result<Vec<TapeFileReport>, ToolError> {
        let files = TapeReader::open(directory)?.files(progress)?;
        Ok(files.into_iter().map(tape_file).collect())
    }

    fn cat(&self, directory: &Path, file: u64, output: &mut dyn Write) -> Result<(), ToolError> {
        tape::copy_file(&mut TapeReader::open(directory)?, file, output)?;
        Ok(())
    }

    fn export(
        &self,
        directory: &Path,
        output: &mut dyn Write,
        progress: OnProgress<'_>,
    ) -> Result<ExportReport, ToolError> {
        let mut reader = TapeReader::open(directory)?;
        let amount = tape::export(&mut reader, output, progress)?;
        Ok(ExportReport {
            barcode: reader.name().to_owned(),
            file: String::new(),
            records: amount.records,
            filemarks: amount.filemarks,
            record_bytes: amount.record_bytes,
        })
    }

    fn import(&self, request: &ImportRequest, progress: OnProgress<'_>) -> Result<ImportReport, ToolError> {
        match &self.config {
            Some(config) => import::import(config, request, progress),
            None => Err("an import needs a configuration".into()),
        }
    }
}

fn finding(finding: &Finding) -> FindingReport {
    FindingReport {
        kind: finding.kind.name().to_owned(),
        severity: finding.severity().name().to_owned(),
        file: finding.file.to_owned(),
        offset_bytes: finding.offset,
        length_bytes: finding.bytes,
        block: finding.position.map(|position| position.block),
        tape_file: finding.position.map(|position| position.file),
        block_in_file: finding.position.map(|position| position.block_in_file),
        blocks: finding.blocks,
        meaning: finding.meaning().to_owned(),
        reason: finding.reason.clone(),
        remedy: finding.remedy().to_owned(),
        message: finding.to_string(),
    }
}

fn tape_file(file: TapeFile) -> TapeFileReport {
    let has_records = file.records > 0;
    TapeFileReport {
        file: file.number,
        first_block: file.first_block,
        records: file.records,
        smallest_record_bytes: has_records.then_some(file.smallest_record_bytes),
        largest_record_bytes: has_records.then_some(file.largest_record_bytes),
        bytes: file.bytes,
        damaged_blocks: file.damaged_blocks,
        has_filemark: file.has_filemark,
        content: file.content.kind.to_owned(),
        content_detail: file.content.detail,
    }
}
