BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('1');
CREATE TABLE change (
	id TEXT NOT NULL, 
	series INTEGER NOT NULL, 
	shape TEXT NOT NULL, 
	last_good TEXT NOT NULL, 
	first_bad TEXT NOT NULL, 
	"before" DOUBLE NOT NULL, 
	"after" DOUBLE NOT NULL, 
	interval TEXT, 
	statistic DOUBLE NOT NULL, 
	rule TEXT NOT NULL, 
	state TEXT NOT NULL, 
	worse BOOLEAN NOT NULL, 
	nominated TEXT NOT NULL, 
	since TEXT NOT NULL, 
	culprit TEXT NOT NULL, 
	times_reopened INTEGER NOT NULL, 
	CONSTRAINT pk_change PRIMARY KEY (id), 
	CONSTRAINT fk_change_series FOREIGN KEY(series) REFERENCES series (pk)
);
INSERT INTO "change" VALUES('c1',16,'step','2026-03-05','2026-03-06',0.5,0.55,'[1.05, 1.15]',7.5,'changes 1','ignored',1,'2026-03-07','2026-03-08','{}',0);
INSERT INTO "change" VALUES('c2',34,'exact','2026-03-04','2026-03-05',3.0,4.0,NULL,9e999,'changes 1','confirmed',1,'2026-03-05','2026-03-05','{}',0);
CREATE TABLE counted (
	run INTEGER NOT NULL, 
	workload TEXT NOT NULL, 
	protocol TEXT NOT NULL, 
	variant TEXT NOT NULL, 
	family TEXT NOT NULL, 
	CONSTRAINT pk_counted PRIMARY KEY (run, workload, protocol, variant, family), 
	CONSTRAINT fk_counted_run FOREIGN KEY(run) REFERENCES run (pk)
)
 WITHOUT ROWID

;
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','bf16','FLOPs');
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','bf16','operators');
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','bf16','weights');
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','fp32','FLOPs');
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','fp32','operators');
INSERT INTO "counted" VALUES(1,'shapes','shapes 128x128','fp32','weights');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','bf16','FLOPs');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','bf16','operators');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','bf16','weights');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','fp32','FLOPs');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','fp32','operators');
INSERT INTO "counted" VALUES(2,'shapes','shapes 128x128','fp32','weights');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','bf16','FLOPs');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','bf16','operators');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','bf16','weights');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','fp32','FLOPs');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','fp32','operators');
INSERT INTO "counted" VALUES(3,'shapes','shapes 128x128','fp32','weights');
CREATE TABLE decision (
	pk INTEGER NOT NULL, 
	change TEXT NOT NULL, 
	state TEXT NOT NULL, 
	who TEXT NOT NULL, 
	date TEXT NOT NULL, 
	reason TEXT NOT NULL, 
	until TEXT, 
	CONSTRAINT pk_decision PRIMARY KEY (pk), 
	CONSTRAINT fk_decision_change FOREIGN KEY(change) REFERENCES change (id)
);
INSERT INTO "decision" VALUES(1,'c1','ignored','somebody','2026-03-08','known','torch>=2.14');
CREATE TABLE device (
	pk INTEGER NOT NULL, 
	name TEXT NOT NULL, 
	slug TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	CONSTRAINT pk_device PRIMARY KEY (pk), 
	CONSTRAINT uq_device_name UNIQUE (name)
);
INSERT INTO "device" VALUES(1,'cpu-example-2t','cpu-example-2t','cpu');
CREATE TABLE device_alias (
	alias TEXT NOT NULL, 
	device INTEGER NOT NULL, 
	CONSTRAINT pk_device_alias PRIMARY KEY (alias), 
	CONSTRAINT fk_device_alias_device FOREIGN KEY(device) REFERENCES device (pk)
);
INSERT INTO "device_alias" VALUES('cpu-example-2t',1);
CREATE TABLE environment (
	id TEXT NOT NULL, 
	versions TEXT NOT NULL, 
	git TEXT NOT NULL, 
	surroundings TEXT NOT NULL, 
	CONSTRAINT pk_environment PRIMARY KEY (id)
);
INSERT INTO "environment" VALUES('8dc0e9d595cd623c','{"torch": "2.13.0"}','{"torch": "abc"}','{"allocator": "glibc 2.36", "code_for": "AVX512, 2 threads", "driver": "550.1", "kernel": "6.1", "python": "3.11.7", "threads": "2"}');
INSERT INTO "environment" VALUES('e36080c8c120affa','{"torch": "2.13.0"}','{"torch": "abc"}','{"allocator": "glibc 2.36", "code_for": "AVX512, 2 threads", "driver": "560", "kernel": "6.1", "python": "3.11.7", "threads": "2"}');
INSERT INTO "environment" VALUES('964b423a0eb0a0d5','{}','{}','{}');
CREATE TABLE event (
	pk INTEGER NOT NULL, 
	device INTEGER NOT NULL, 
	night TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	text TEXT NOT NULL, 
	workload TEXT, 
	by_itself BOOLEAN NOT NULL, 
	CONSTRAINT pk_event PRIMARY KEY (pk), 
	CONSTRAINT fk_event_device FOREIGN KEY(device) REFERENCES device (pk)
);
INSERT INTO "event" VALUES(1,1,'2026-03-06','driver','driver 550.1 -> 560',NULL,1);
INSERT INTO "event" VALUES(2,1,'2026-03-06','other','it''s "moved"',NULL,0);
CREATE TABLE point (
	series INTEGER NOT NULL, 
	run INTEGER NOT NULL, 
	value DOUBLE, 
	error DOUBLE, 
	samples INTEGER NOT NULL, 
	excluded TEXT NOT NULL, 
	CONSTRAINT pk_point PRIMARY KEY (series, run), 
	CONSTRAINT fk_point_series FOREIGN KEY(series) REFERENCES series (pk), 
	CONSTRAINT fk_point_run FOREIGN KEY(run) REFERENCES run (pk)
)
 WITHOUT ROWID

;
INSERT INTO "point" VALUES(1,1,7.03655769910680128909e-01,5.03195023943075331329e-03,19,'');
INSERT INTO "point" VALUES(1,2,7.03655769910680128909e-01,5.03195023943075331329e-03,19,'');
INSERT INTO "point" VALUES(1,3,7.03655769910680128909e-01,5.03195023943075331329e-03,19,'');
INSERT INTO "point" VALUES(2,1,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(2,2,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(2,3,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(3,1,2.10000000000000047739e-02,0.0,30,'');
INSERT INTO "point" VALUES(3,2,2.10000000000000047739e-02,0.0,30,'');
INSERT INTO "point" VALUES(3,3,2.10000000000000047739e-02,0.0,30,'');
INSERT INTO "point" VALUES(4,1,6.99999999999999927835e-03,NULL,1,'');
INSERT INTO "point" VALUES(4,2,6.99999999999999927835e-03,NULL,1,'');
INSERT INTO "point" VALUES(4,3,6.99999999999999927835e-03,NULL,1,'');
INSERT INTO "point" VALUES(5,1,4.19999999999999956701e-02,NULL,1,'');
INSERT INTO "point" VALUES(5,2,4.19999999999999956701e-02,NULL,1,'');
INSERT INTO "point" VALUES(5,3,4.19999999999999956701e-02,NULL,1,'');
INSERT INTO "point" VALUES(6,1,2.0999999999999997835e-02,NULL,1,'');
INSERT INTO "point" VALUES(6,2,2.0999999999999997835e-02,NULL,1,'');
INSERT INTO "point" VALUES(6,3,2.0999999999999997835e-02,NULL,1,'');
INSERT INTO "point" VALUES(7,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(7,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(7,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(8,1,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(8,2,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(8,3,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(9,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(9,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(9,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(10,1,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(10,2,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(10,3,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(11,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(11,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(11,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(12,1,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(12,2,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(12,3,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(13,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(13,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(13,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(14,1,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(14,2,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(14,3,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(15,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(15,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(15,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(16,1,5.00818300261844373544e-01,3.77947453641486663319e-03,19,'');
INSERT INTO "point" VALUES(16,2,6.00905670192302343579e-01,5.75387425816990295823e-03,19,'');
INSERT INTO "point" VALUES(16,3,7.03655769910680128909e-01,5.03195023943075331329e-03,19,'');
INSERT INTO "point" VALUES(17,1,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(17,2,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(17,3,6.99952377712622642036e-01,0.025,3,'');
INSERT INTO "point" VALUES(18,1,1.49999999999999977101e-02,0.0,30,'');
INSERT INTO "point" VALUES(18,2,1.80000000000000021094e-02,0.0,30,'');
INSERT INTO "point" VALUES(18,3,2.10000000000000047739e-02,0.0,30,'');
INSERT INTO "point" VALUES(19,1,0.005,NULL,1,'');
INSERT INTO "point" VALUES(19,2,0.006,NULL,1,'');
INSERT INTO "point" VALUES(19,3,6.99999999999999927835e-03,NULL,1,'');
INSERT INTO "point" VALUES(20,1,0.03,NULL,1,'');
INSERT INTO "point" VALUES(20,2,0.036,NULL,1,'');
INSERT INTO "point" VALUES(20,3,4.19999999999999956701e-02,NULL,1,'');
INSERT INTO "point" VALUES(21,1,0.015,NULL,1,'');
INSERT INTO "point" VALUES(21,2,0.018,NULL,1,'');
INSERT INTO "point" VALUES(21,3,2.0999999999999997835e-02,NULL,1,'');
INSERT INTO "point" VALUES(22,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(22,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(22,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(23,1,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(23,2,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(23,3,9.98200000000000087219e-01,NULL,4,'');
INSERT INTO "point" VALUES(24,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(24,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(24,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(25,1,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(25,2,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(25,3,1.59999999999999986677e+00,NULL,12,'');
INSERT INTO "point" VALUES(26,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(26,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(26,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(27,1,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(27,2,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(27,3,6.66666666666666740681e-01,NULL,400,'');
INSERT INTO "point" VALUES(28,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(28,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(28,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(29,1,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(29,2,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(29,3,0.0,NULL,60,'not above 0');
INSERT INTO "point" VALUES(30,1,1.0,NULL,1,'');
INSERT INTO "point" VALUES(30,2,1.0,NULL,1,'');
INSERT INTO "point" VALUES(30,3,1.0,NULL,1,'');
INSERT INTO "point" VALUES(31,1,3.0,NULL,1,'');
INSERT INTO "point" VALUES(32,1,1000000000000.0,NULL,1,'');
INSERT INTO "point" VALUES(33,1,5000000.0,NULL,1,'');
INSERT INTO "point" VALUES(34,1,3.0,NULL,1,'');
INSERT INTO "point" VALUES(34,2,4.0,NULL,1,'');
INSERT INTO "point" VALUES(35,1,1000000000000.0,NULL,1,'');
INSERT INTO "point" VALUES(36,1,5000000.0,NULL,1,'');
CREATE TABLE run (
	pk INTEGER NOT NULL, 
	id TEXT NOT NULL, 
	device INTEGER NOT NULL, 
	night TEXT NOT NULL, 
	date TEXT NOT NULL, 
	position TEXT NOT NULL, 
	environment TEXT NOT NULL, 
	outcome TEXT NOT NULL, 
	"commit" TEXT, 
	missing TEXT NOT NULL, 
	machine TEXT NOT NULL, 
	protocols TEXT NOT NULL, 
	CONSTRAINT pk_run PRIMARY KEY (pk), 
	CONSTRAINT uq_run_id UNIQUE (id), 
	CONSTRAINT fk_run_device FOREIGN KEY(device) REFERENCES device (pk), 
	CONSTRAINT fk_run_environment FOREIGN KEY(environment) REFERENCES environment (id)
);
INSERT INTO "run" VALUES(1,'run-0',1,'2026-03-04','2026-03-04T05:06:07.000+00:00','2026-03-04 2026-03-04T05:06:07.000+00:00','8dc0e9d595cd623c','complete','abc1234','[]','{"bfloat16": "native", "count": "2", "name": "Example CPU"}','{"shapes": "shapes 128x128"}');
INSERT INTO "run" VALUES(2,'run-1',1,'2026-03-05','2026-03-05T05:06:07.000+00:00','2026-03-05 2026-03-05T05:06:07.000+00:00','8dc0e9d595cd623c','complete','abc1234','[]','{"bfloat16": "native", "count": "2", "name": "Example CPU"}','{"shapes": "shapes 128x128"}');
INSERT INTO "run" VALUES(3,'run-2',1,'2026-03-06','2026-03-06T05:06:07.000+00:00','2026-03-06 2026-03-06T05:06:07.000+00:00','e36080c8c120affa','complete','abc1234','[]','{"bfloat16": "native", "count": "2", "name": "Example CPU"}','{"shapes": "shapes 128x128"}');
INSERT INTO "run" VALUES(4,'run-3',1,'2026-03-07','2026-03-07T05:06:07.000+00:00','2026-03-07 2026-03-07T05:06:07.000+00:00','964b423a0eb0a0d5','nothing',NULL,'["shapes/bf16"]','{"bfloat16": "native", "count": "2", "name": "Example CPU"}','{}');
CREATE TABLE series (
	pk INTEGER NOT NULL, 
	device INTEGER NOT NULL, 
	workload TEXT NOT NULL, 
	protocol TEXT NOT NULL, 
	variant TEXT NOT NULL, 
	metric TEXT NOT NULL, 
	unit TEXT NOT NULL, 
	kind TEXT NOT NULL, 
	higher_is_better BOOLEAN NOT NULL, 
	family TEXT NOT NULL, 
	CONSTRAINT pk_series PRIMARY KEY (pk), 
	CONSTRAINT uq_series_identity UNIQUE (device, workload, protocol, variant, metric, unit, kind, higher_is_better), 
	CONSTRAINT fk_series_device FOREIGN KEY(device) REFERENCES device (pk)
);
INSERT INTO "series" VALUES(1,1,'shapes','shapes 128x128','fp32','latency','s','noisy',0,'');
INSERT INTO "series" VALUES(2,1,'shapes','shapes 128x128','fp32','relative latency','ratio','noisy',0,'');
INSERT INTO "series" VALUES(3,1,'shapes','shapes 128x128','fp32','stage: step','s','noisy',0,'');
INSERT INTO "series" VALUES(4,1,'shapes','shapes 128x128','fp32','stage: text encoders','s','noisy',0,'');
INSERT INTO "series" VALUES(5,1,'shapes','shapes 128x128','fp32','stage: VAE','s','noisy',0,'');
INSERT INTO "series" VALUES(6,1,'shapes','shapes 128x128','fp32','stage: other','s','noisy',0,'');
INSERT INTO "series" VALUES(7,1,'shapes','shapes 128x128','fp32','gate: quality','passes','exact',1,'');
INSERT INTO "series" VALUES(8,1,'shapes','shapes 128x128','fp32','SSIM','ratio','noisy',1,'');
INSERT INTO "series" VALUES(9,1,'shapes','shapes 128x128','fp32','gate: pictures','passes','exact',1,'');
INSERT INTO "series" VALUES(10,1,'shapes','shapes 128x128','fp32','worst error: components','budgets','noisy',0,'');
INSERT INTO "series" VALUES(11,1,'shapes','shapes 128x128','fp32','gate: components','passes','exact',1,'');
INSERT INTO "series" VALUES(12,1,'shapes','shapes 128x128','fp32','worst error: modules','budgets','noisy',0,'');
INSERT INTO "series" VALUES(13,1,'shapes','shapes 128x128','fp32','gate: modules','passes','exact',1,'');
INSERT INTO "series" VALUES(14,1,'shapes','shapes 128x128','fp32','worst error: loop','budgets','noisy',0,'');
INSERT INTO "series" VALUES(15,1,'shapes','shapes 128x128','fp32','gate: loop','passes','exact',1,'');
INSERT INTO "series" VALUES(16,1,'shapes','shapes 128x128','bf16','latency','s','noisy',0,'');
INSERT INTO "series" VALUES(17,1,'shapes','shapes 128x128','bf16','relative latency','ratio','noisy',0,'');
INSERT INTO "series" VALUES(18,1,'shapes','shapes 128x128','bf16','stage: step','s','noisy',0,'');
INSERT INTO "series" VALUES(19,1,'shapes','shapes 128x128','bf16','stage: text encoders','s','noisy',0,'');
INSERT INTO "series" VALUES(20,1,'shapes','shapes 128x128','bf16','stage: VAE','s','noisy',0,'');
INSERT INTO "series" VALUES(21,1,'shapes','shapes 128x128','bf16','stage: other','s','noisy',0,'');
INSERT INTO "series" VALUES(22,1,'shapes','shapes 128x128','bf16','gate: quality','passes','exact',1,'');
INSERT INTO "series" VALUES(23,1,'shapes','shapes 128x128','bf16','SSIM','ratio','noisy',1,'');
INSERT INTO "series" VALUES(24,1,'shapes','shapes 128x128','bf16','gate: pictures','passes','exact',1,'');
INSERT INTO "series" VALUES(25,1,'shapes','shapes 128x128','bf16','worst error: components','budgets','noisy',0,'');
INSERT INTO "series" VALUES(26,1,'shapes','shapes 128x128','bf16','gate: components','passes','exact',1,'');
INSERT INTO "series" VALUES(27,1,'shapes','shapes 128x128','bf16','worst error: modules','budgets','noisy',0,'');
INSERT INTO "series" VALUES(28,1,'shapes','shapes 128x128','bf16','gate: modules','passes','exact',1,'');
INSERT INTO "series" VALUES(29,1,'shapes','shapes 128x128','bf16','worst error: loop','budgets','noisy',0,'');
INSERT INTO "series" VALUES(30,1,'shapes','shapes 128x128','bf16','gate: loop','passes','exact',1,'');
INSERT INTO "series" VALUES(31,1,'shapes','shapes 128x128','fp32','operators: aten.add','count','exact',0,'operators');
INSERT INTO "series" VALUES(32,1,'shapes','shapes 128x128','fp32','FLOPs: unet','FLOP','exact',0,'FLOPs');
INSERT INTO "series" VALUES(33,1,'shapes','shapes 128x128','fp32','weights: unet','bytes','exact',0,'weights');
INSERT INTO "series" VALUES(34,1,'shapes','shapes 128x128','bf16','operators: aten.add','count','exact',0,'operators');
INSERT INTO "series" VALUES(35,1,'shapes','shapes 128x128','bf16','FLOPs: unet','FLOP','exact',0,'FLOPs');
INSERT INTO "series" VALUES(36,1,'shapes','shapes 128x128','bf16','weights: unet','bytes','exact',0,'weights');
CREATE TABLE session (
	run INTEGER NOT NULL, 
	workload TEXT NOT NULL, 
	variant TEXT NOT NULL, 
	samples TEXT NOT NULL, 
	CONSTRAINT pk_session PRIMARY KEY (run, workload, variant), 
	CONSTRAINT fk_session_run FOREIGN KEY(run) REFERENCES run (pk)
);
INSERT INTO "session" VALUES(1,'shapes','fp32','{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO "session" VALUES(1,'shapes','bf16','{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.5007889780107522,0.5042394818525697,0.5157095922722459,0.5107341422017828,0.5041885819556607,0.5024584903229077,0.5080746644390568,0.5069451031028095,0.5008989453053112,0.5006725349801686,0.5022909557185111,0.5038526593379327,0.5109046695552669,0.5011548689046239,0.510081818779218,0.5077336314592673,0.5022713484854749,0.5115732730747037,0.5149161721616811],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.5,0.5,0.5],"warmup_steady":true,"stages":{"text_encoders_s":0.005,"steps_s":[0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001,0.015000000000000001],"vae_s":0.03,"other_s":0.015},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO "session" VALUES(2,'shapes','fp32','{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO "session" VALUES(2,'shapes','bf16','{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.6203425098428487,0.6008783623995733,0.6009807730216018,0.6329625564387164,0.6018697997364233,0.6096364521994618,0.6212668702022847,0.6139301329157955,0.619284513388747,0.6094709626981608,0.6130817136307964,0.6004460937765734,0.6243831899651083,0.6135249476071315,0.6085680318924535,0.6064126308077471,0.601151721660781,0.6127164409859124,0.610747450605152],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.6,0.6,0.6],"warmup_steady":true,"stages":{"text_encoders_s":0.006,"steps_s":[0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002,0.018000000000000002],"vae_s":0.036,"other_s":0.018},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"550.1","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO "session" VALUES(3,'shapes','fp32','{"id":"fp32","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"560","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
INSERT INTO "session" VALUES(3,'shapes','bf16','{"id":"bf16","date":"2026-03-04T05:06:07+00:00","latency_s":[0.7016107454152288,0.7131634803012423,0.7051377044935172,0.7311076671395026,0.7066647050365537,0.7091791642608738,0.7063566410759533,0.7296608981427665,0.70719181413708,0.7106455559788383,0.711528777660548,0.7085854766256721,0.7031176571349678,0.7286596065398312,0.7150458420924917,0.7268655964640107,0.7082564008223624,0.7133799699578626,0.7157382650546421],"peak_memory_bytes":671088640,"first_call_s":0.9,"compile_s":null,"warmup_s":[0.7,0.7,0.7],"warmup_steady":true,"stages":{"text_encoders_s":0.006999999999999999,"steps_s":[0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021,0.021],"vae_s":0.041999999999999996,"other_s":0.020999999999999998},"versions":{"torch":"2.13.0","python":"3.11.7"},"conditions":{"threads":2.0,"other_cores_busy":0.12,"control_s":0.05,"power_w_min":90.0,"power_w_median":100.0,"power_w_max":120.0},"wall_s":20.0,"commit":"abc1234","relative":{"reference":"fp32","ratio":[0.7,0.71,0.69],"reference_s":[],"fixed_work_s":[],"contended":0},"throttled_s":[],"contended_s":[],"unfit":"","profile":null,"limits":{"text_flop":100000000,"step_flop":1000000000,"vae_flop":1000000000,"product_flop_per_s":100000000000.0,"copy_bytes_per_s":10000000000.0},"compilation":null,"settings":{},"environment":{"allocator":"glibc 2.36","kernel":"6.1","driver":"560","threads":"2"},"memory":null,"start":null,"hot":{},"git":{"torch":"abc"}}');
CREATE TABLE trial (
	pk INTEGER NOT NULL, 
	change TEXT NOT NULL, 
	purpose TEXT NOT NULL, 
	base TEXT NOT NULL, 
	head TEXT NOT NULL, 
	verdict TEXT NOT NULL, 
	ratio DOUBLE, 
	interval TEXT, 
	cost_s DOUBLE NOT NULL, 
	date TEXT NOT NULL, 
	detail TEXT NOT NULL, 
	CONSTRAINT pk_trial PRIMARY KEY (pk), 
	CONSTRAINT fk_trial_change FOREIGN KEY(change) REFERENCES change (id)
);
INSERT INTO "trial" VALUES(1,'c1','confirm','{"torch": "2.12.0"}','{"torch": "2.13.0"}','REGRESSED',1.1,'[1.05, 1.15]',61.5,'2026-03-07T03:00:00+00:00','');
CREATE INDEX ix_run_device_position ON run (device, position);
CREATE INDEX ix_point_run ON point (run);
CREATE INDEX ix_event_device ON event (device);
CREATE INDEX ix_change_series ON change (series);
CREATE INDEX ix_trial_change ON trial (change);
CREATE INDEX ix_decision_change ON decision (change);
COMMIT;
